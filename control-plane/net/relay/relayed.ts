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
        else this.#stream = this.parts.outside.openStream(found.address, port, this);
      },
      () => this.closed("not-found"),
    );
  }

  /** Data of the client. False when there was no room for them, which it was told, or after their end. */
  take(bytes: Uint8Array): boolean {
    if (++this.#taken > this.parts.window || this.#endAsked) return false;
    if (this.parts.duplex && bytes.length === 0) this.#endAsked = true;
    else if (this.#open) this.#full = !this.#stream!.write(bytes.slice());
    else this.#early.push(bytes.slice());
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

  abort(): void {
    this.#over = true;
    this.#early = [];
    this.#stream?.abort();
  }

  opened(): void {
    this.#open = true;
    for (const bytes of this.#early) this.#full = !this.#stream!.write(bytes);
    this.#early = [];
    if (this.#endAsked) this.#stream!.end();
    // This says that it is open.
    if (this.parts.duplex) this.parts.send(continuePacket(this.id, 0));
    this.#giveRoom();
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#credit--;
    this.parts.send(dataPacket(this.id, bytes));
    if (this.#paused || this.#mayRead()) return;
    this.#paused = true;
    this.#stream!.pauseReading();
  }

  drained(): void {
    this.#full = false;
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
    else if (this.#early.length < this.parts.window) this.#early.push(bytes.slice());
    return true;
  }

  room(): void {}
  readOn(): void {}

  abort(): void {
    this.#over = true;
    this.#early = [];
    this.#socket?.close();
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
    this.#early = [];
  }

  #finish(reason: number): void {
    if (this.#over) return;
    this.abort();
    this.parts.send(closePacket(this.id, reason));
    this.parts.ended(this.id);
  }
}
