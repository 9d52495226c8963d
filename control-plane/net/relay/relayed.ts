/** One stream of a Wisp client, and its counterpart in the world outside. */
import type {
  DatagramEvents,
  Outside,
  OutsideDatagrams,
  OutsideError,
  OutsideStream,
  StreamEvents,
} from "../outside/index.js";
import { CloseReason, closePacket, continuePacket, dataPacket, reasonOf } from "./wisp.js";

/** What the streams of a client share. */
export interface RelayParts {
  readonly outside: Outside;
  /** Packets on their way in one direction. */
  readonly window: number;
  /** Whether the client speaks our extension. */
  duplex: boolean;
  send(message: Uint8Array): void;
  /** Whether the client takes what it is sent. */
  mayRead(): boolean;
  /** Counts so many bytes more, or fewer, that wait for the world. False: they are too many. */
  hold(bytes: number): boolean;
  ended(id: number): void;
}

/** The address of a host by name, or of one that is an address already. */
async function addressOf(outside: Outside, host: string): Promise<{ address: string; family: 4 | 6 } | OutsideError> {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return { address: host, family: 4 };
  if (host.includes(":")) return { address: host.replace(/^\[|\]$/g, ""), family: 6 };
  for (const family of [4, 6] as const) {
    const found = await outside.resolve(host, family);
    if (found.kind === "addresses" && found.addresses.length > 0) return { address: found.addresses[0]!, family };
  }
  return "not-found";
}

export class RelayedStream implements StreamEvents {
  #stream: OutsideStream | null = null;
  /** Came before the world's end was open. */
  #early: Uint8Array[] = [];
  /** Bytes that wait for the world. */
  #held = 0;
  #open = false;
  #over = false;
  #endAsked = false;
  /** Packets that were taken and not yet given room for again. */
  #taken = 0;
  #full = false;
  /** Packets that the client has room for. */
  #credit: number;
  #paused = false;

  constructor(
    private readonly id: number,
    private readonly parts: RelayParts,
  ) {
    this.#credit = parts.duplex ? parts.window : Number.POSITIVE_INFINITY;
  }

  open(host: string, port: number): void {
    addressOf(this.parts.outside, host).then(
      (found) => {
        if (this.#over) return;
        if (typeof found === "string") this.closed(found);
        else this.#connect(found.address, port);
      },
      () => this.closed("not-found"),
    );
  }

  #connect(address: string, port: number): void {
    this.#stream = this.parts.outside.openStream(address, port, this);
    if (!this.#mayRead()) this.pause();
  }

  /** Data of the client. False when there was no room for them, which it was told, or after their end. */
  take(bytes: Uint8Array): boolean {
    if (++this.#taken > this.parts.window || this.#endAsked) return false;
    if (this.parts.duplex && bytes.length === 0) this.#endAsked = true;
    else if (this.#open) this.#full = !this.#stream!.write(bytes.slice());
    else this.#early.push(bytes.slice());
    if (!this.#hold(this.#full || !this.#open ? this.#held + bytes.length : 0)) {
      this.#finish(CloseReason.THROTTLED);
      return true;
    }
    if (this.#open && this.#endAsked) this.#stream!.end();
    this.#giveRoom();
    return true;
  }

  room(packets: number): void {
    if (!this.parts.duplex) return;
    this.#credit += packets;
    this.readOn();
  }

  readOn(): void {
    if (!this.#paused || !this.#mayRead()) return;
    this.#paused = false;
    this.#stream?.resumeReading();
  }

  /** Reads nothing of the world until `readOn`. */
  pause(): void {
    if (this.#paused || this.#stream === null) return;
    this.#paused = true;
    this.#stream.pauseReading();
  }

  abort(): void {
    this.#over = true;
    this.#early = [];
    this.#hold(0);
    this.#stream?.abort();
  }

  opened(): void {
    this.#open = true;
    for (const bytes of this.#early) this.#full = !this.#stream!.write(bytes);
    this.#early = [];
    if (!this.#full) this.#hold(0);
    if (this.#endAsked) this.#stream!.end();
    // This says that it is open.
    if (this.parts.duplex) this.parts.send(continuePacket(this.id, 0));
    this.#giveRoom();
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#credit--;
    this.parts.send(dataPacket(this.id, bytes));
    if (!this.#mayRead()) this.pause();
  }

  drained(): void {
    this.#full = false;
    this.#hold(0);
    this.#giveRoom();
  }

  ended(): void {
    if (this.#over) return;
    if (this.parts.duplex) this.parts.send(dataPacket(this.id, new Uint8Array(0)));
    // Who knows no half-closed streams hears that it is over: most often it is.
    else this.#finish(CloseReason.VOLUNTARY);
  }

  closed(error: OutsideError | null): void {
    if (!this.#over) this.#finish(reasonOf(error));
  }

  #mayRead(): boolean {
    return this.#credit > 0 && this.parts.mayRead();
  }

  /** Says how many bytes wait now. False: the client has too many of them. */
  #hold(bytes: number): boolean {
    const more = bytes - this.#held;
    this.#held = bytes;
    return this.parts.hold(more);
  }

  /** Where room replaces what is left of it, only once nothing is left: what is on its way would be sent again as much. */
  #giveRoom(): void {
    const { duplex, window } = this.parts;
    if (!this.#open || this.#full || this.#taken < (duplex ? window >> 1 : window)) return;
    const room = this.#taken;
    this.#taken = 0;
    this.parts.send(continuePacket(this.id, room));
  }

  #finish(reason: number): void {
    this.abort();
    this.parts.send(closePacket(this.id, reason));
    this.parts.ended(this.id);
  }
}

/** Datagrams between the client and one host. */
export class RelayedDatagrams implements DatagramEvents {
  #socket: OutsideDatagrams | null = null;
  #address = "";
  #port = 0;
  #over = false;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;

  constructor(
    private readonly id: number,
    private readonly parts: RelayParts,
  ) {}

  open(host: string, port: number): void {
    this.#port = port;
    addressOf(this.parts.outside, host).then(
      (found) => {
        if (!this.#over) this.#opened(found);
      },
      () => this.#finish(CloseReason.UNREACHABLE),
    );
  }

  take(bytes: Uint8Array): boolean {
    if (this.#socket !== null) this.#socket.send(this.#address, this.#port, bytes.slice());
    // What the network has no room for, it drops.
    else if (this.#early.length < this.parts.window) this.#keep(bytes);
    return true;
  }

  room(): void {}
  pause(): void {}
  readOn(): void {}

  abort(): void {
    this.#over = true;
    this.#forgetEarly();
    this.#socket?.close();
  }

  #keep(bytes: Uint8Array): void {
    if (!this.parts.hold(bytes.length)) {
      this.parts.hold(-bytes.length);
      return;
    }
    this.#earlyBytes += bytes.length;
    this.#early.push(bytes.slice());
  }

  #forgetEarly(): void {
    this.parts.hold(-this.#earlyBytes);
    this.#earlyBytes = 0;
    this.#early = [];
  }

  data(address: string, port: number, bytes: Uint8Array): void {
    if (this.#over || address !== this.#address || port !== this.#port || !this.parts.mayRead()) return;
    this.parts.send(dataPacket(this.id, bytes));
  }

  failed(_address: string, _port: number, error: OutsideError): void {
    this.#finish(reasonOf(error));
  }

  #opened(found: { address: string; family: 4 | 6 } | OutsideError): void {
    if (typeof found === "string") {
      this.#finish(reasonOf(found));
      return;
    }
    this.#address = found.address;
    this.#socket = this.parts.outside.openDatagrams(found.family, this);
    if (this.#socket === null) this.#finish(CloseReason.UNREACHABLE);
    for (const bytes of this.#early) this.#socket?.send(this.#address, this.#port, bytes);
    this.#forgetEarly();
  }

  #finish(reason: number): void {
    if (this.#over) return;
    this.abort();
    this.parts.send(closePacket(this.id, reason));
    this.parts.ended(this.id);
  }
}
