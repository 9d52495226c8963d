/**
 * The client's end: streams and datagrams of the world outside through one WebSocket to a relay. It is opened for the
 * first stream, and again after it broke; the streams that it carried end then.
 */
import type { DatagramEvents, OutsideDatagrams, OutsideStream, StreamEvents } from "../outside/index.js";
import type { MessageListener, MessageSocket } from "./message-socket.js";
import {
  CloseReason,
  closePacket,
  connectPacket,
  continuePacket,
  DUPLEX_EXTENSION,
  dataPacket,
  errorOf,
  infoPacket,
  readPacket,
  StreamType,
  type WispPacket,
} from "./wisp.js";

/** Opens the WebSocket; `opened` is called when it can be written to, `closed` also when it never could. */
export type OpenSocket = (listener: MessageListener & { opened(): void }) => MessageSocket;

/** Packets that a relay of ours may send on a stream before it hears that there is room. */
const WINDOW = 128;
/** Bytes that a stream may hold for a reader that reads no more, from a relay that cannot be told to stop. */
const MOST_HELD = 16 << 20;

/** What a stream or a set of datagrams is to the connection. */
interface Carried {
  connect(connection: Connection): void;
  packet(packet: WispPacket): void;
  lost(): void;
}

/** What streams need of their connection, once the relay has said what it speaks. */
interface Connection {
  readonly duplex: boolean;
  readonly room: number;
  send(message: Uint8Array): void;
}

export class WispClient implements MessageListener {
  readonly #carried = new Map<number, Carried>();
  #socket: MessageSocket | null = null;
  #connection: Connection | null = null;
  #duplex = false;
  #nextId = 1;

  constructor(private readonly openSocket: OpenSocket) {}

  get streams(): number {
    return this.#carried.size;
  }

  openStream(host: string, port: number, events: StreamEvents): OutsideStream {
    const id = this.#newId();
    const stream = new WispStream(id, host, port, events, () => this.#carried.delete(id));
    this.#carry(id, stream);
    return stream;
  }

  /** Datagrams to and from one host and port, until the relay says that it is `over`. */
  openDatagrams(host: string, port: number, events: DatagramEvents, over: () => void = () => {}): OutsideDatagrams {
    const id = this.#newId();
    const datagrams = new WispDatagrams(id, host, port, events, over, () => this.#carried.delete(id));
    this.#carry(id, datagrams);
    return datagrams;
  }

  message(bytes: Uint8Array): void {
    const packet = readPacket(bytes);
    if (packet === null) this.#break();
    else if (packet.type === 5 && this.#connection === null) {
      this.#duplex = packet.extensions.includes(DUPLEX_EXTENSION);
      this.#socket!.send(infoPacket());
    } else if (packet.type === 3 && packet.id === 0) this.#ready(packet.room);
    else this.#carried.get(packet.id)?.packet(packet);
  }

  closed(): void {
    this.#socket = null;
    this.#connection = null;
    this.#duplex = false;
    const lost = [...this.#carried.values()];
    this.#carried.clear();
    for (const each of lost) each.lost();
  }

  close(): void {
    this.#break();
  }

  #newId(): number {
    while (this.#carried.has(this.#nextId)) this.#nextId = (this.#nextId % 0xffff_ffff) + 1;
    const id = this.#nextId;
    this.#nextId = (id % 0xffff_ffff) + 1;
    return id;
  }

  #carry(id: number, carried: Carried): void {
    this.#carried.set(id, carried);
    if (this.#connection !== null) carried.connect(this.#connection);
    else if (this.#socket === null) this.#open();
  }

  #open(): void {
    try {
      // What a socket that we have given up still says is not about the next one.
      const socket = this.openSocket({
        opened: () => {},
        message: (message) => {
          if (this.#socket === socket) this.message(message);
        },
        closed: () => {
          if (this.#socket === socket) this.closed();
        },
      });
      this.#socket = socket;
    } catch {
      // A page that came by https may not open one to "ws:". Whoever asked has not got the stream yet.
      queueMicrotask(() => this.closed());
    }
  }

  #ready(room: number): void {
    if (this.#connection !== null) return;
    const connection = { duplex: this.#duplex, room, send: (message: Uint8Array) => this.#socket?.send(message) };
    this.#connection = connection;
    for (const carried of this.#carried.values()) carried.connect(connection);
  }

  #break(): void {
    const socket = this.#socket;
    this.closed();
    socket?.close();
  }
}

class WispStream implements OutsideStream, Carried {
  #connection: Connection | null = null;
  #isOpen = false;
  #over = false;
  /** Packets that the relay has room for, and what waits for room. */
  #room = 0;
  #waiting: Uint8Array[] = [];
  #ending = false;
  #wasFull = false;
  /** What came while nobody reads, and packets that the relay was not given room for again. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #reads = true;
  #taken = 0;
  #endHeld = false;
  /** The relay has closed the stream in good order, and its reader has not had all of it. */
  #isClosing = false;

  constructor(
    private readonly id: number,
    private readonly host: string,
    private readonly port: number,
    private readonly events: StreamEvents,
    private readonly gone: () => void,
  ) {}

  connect(connection: Connection): void {
    this.#connection = connection;
    this.#room = connection.room;
    connection.send(connectPacket(this.id, StreamType.TCP, this.host, this.port));
    // A relay that is not ours does not say that a stream is open.
    if (!connection.duplex) this.#opened();
  }

  packet(packet: WispPacket): void {
    if (packet.type === 2) this.#take(packet.bytes);
    else if (packet.type === 4) this.#close(errorOf(packet.reason));
    else if (packet.type === 3) {
      this.#room = packet.room + (this.#connection!.duplex ? this.#room : 0);
      if (!this.#isOpen) this.#opened();
      this.#pump();
    }
  }

  lost(): void {
    this.#finish(this.#isOpen ? "reset" : "unreachable");
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over || this.#ending || this.#isClosing) return true;
    this.#waiting.push(bytes);
    this.#pump();
    this.#wasFull = this.#waiting.length > 0;
    return !this.#wasFull;
  }

  end(): void {
    this.#ending = true;
    this.#pump();
  }

  abort(): void {
    if (this.#over) return;
    if (!this.#isClosing) this.#connection?.send(closePacket(this.id, CloseReason.VOLUNTARY));
    this.#finish("reset");
  }

  pauseReading(): void {
    this.#reads = false;
  }

  resumeReading(): void {
    this.#reads = true;
    while (this.#reads && this.#held.length > 0) {
      const bytes = this.#held.shift()!;
      this.#heldBytes -= bytes.length;
      this.#deliver(bytes);
    }
    if (this.#reads && this.#endHeld && !this.#over) {
      this.#endHeld = false;
      this.events.ended();
    }
    if (this.#reads && this.#isClosing) this.#finish(null);
  }

  #opened(): void {
    this.#isOpen = true;
    this.events.opened();
    this.#pump();
  }

  #take(bytes: Uint8Array): void {
    if (this.#over) return;
    if (bytes.length === 0 && this.#connection!.duplex) {
      if (this.#held.length > 0 || !this.#reads) this.#endHeld = true;
      else this.events.ended();
    } else if (this.#reads && this.#held.length === 0) this.#deliver(bytes);
    else this.#hold(bytes);
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= MOST_HELD || this.#connection!.duplex) return;
    this.#connection!.send(closePacket(this.id, CloseReason.CLIENT));
    this.#finish("reset");
  }

  #deliver(bytes: Uint8Array): void {
    this.events.data(bytes);
    if (!this.#connection?.duplex || this.#isClosing || ++this.#taken < WINDOW >> 1) return;
    this.#connection.send(continuePacket(this.id, this.#taken));
    this.#taken = 0;
  }

  #pump(): void {
    const connection = this.#connection;
    if (connection === null || !this.#isOpen || this.#over || this.#isClosing) return;
    while (this.#room > 0 && this.#waiting.length > 0) {
      this.#room--;
      connection.send(dataPacket(this.id, this.#waiting.shift()!));
    }
    if (this.#waiting.length > 0) return;
    if (this.#wasFull) {
      this.#wasFull = false;
      this.events.drained();
    }
    if (!this.#ending || !connection.duplex || this.#room === 0) return;
    this.#ending = false;
    connection.send(dataPacket(this.id, new Uint8Array(0)));
  }

  /** The relay says that it is over. */
  #close(error: ReturnType<typeof errorOf>): void {
    if (error !== null || (this.#held.length === 0 && !this.#endHeld)) {
      this.#finish(error);
      return;
    }
    this.#isClosing = true;
    this.#waiting = [];
    this.gone();
  }

  #finish(error: ReturnType<typeof errorOf>): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    this.#held = [];
    this.gone();
    this.events.closed(error);
  }
}

class WispDatagrams implements OutsideDatagrams, Carried {
  #connection: Connection | null = null;
  #early: Uint8Array[] = [];
  #over = false;

  constructor(
    private readonly id: number,
    private readonly host: string,
    private readonly port: number,
    private readonly events: DatagramEvents,
    private readonly over: () => void,
    private readonly gone: () => void,
  ) {}

  connect(connection: Connection): void {
    this.#connection = connection;
    connection.send(connectPacket(this.id, StreamType.UDP, this.host, this.port));
    for (const bytes of this.#early) connection.send(dataPacket(this.id, bytes));
    this.#early = [];
  }

  packet(packet: WispPacket): void {
    if (packet.type === 2) this.events.data(this.host, this.port, packet.bytes);
    else if (packet.type === 4) this.#finish(errorOf(packet.reason));
  }

  lost(): void {
    this.#finish("unreachable");
  }

  send(_address: string, _port: number, bytes: Uint8Array): void {
    if (this.#connection !== null) this.#connection.send(dataPacket(this.id, bytes));
    else if (this.#early.length < WINDOW) this.#early.push(bytes);
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection?.send(closePacket(this.id, CloseReason.VOLUNTARY));
    this.gone();
  }

  #finish(error: ReturnType<typeof errorOf>): void {
    if (this.#over) return;
    this.#over = true;
    this.gone();
    this.over();
    if (error !== null) this.events.failed(this.host, this.port, error);
  }
}
