/** A user-mode network on a table: a wire that keeps what is sent, time in the test's hand, a world outside that does as told. */
import { ManualClock, SeededRandom } from "../../../util/index.js";
import type {
  DatagramEvents,
  Listener,
  Outside,
  OutsideDatagrams,
  OutsideStream,
  Resolution,
  StreamEvents,
} from "../../outside/index.js";
import { MOST_FRAME_BYTES, Packet } from "../../packet.js";
import type { Station, Wire } from "../../station.js";
import { sumBytes } from "../../sum.js";
import { checksumOf } from "../codec/checksum.js";
import { putU16 } from "../codec/numbers.js";
import { Nat, type NatOptions, type TcpEngine, type TcpParts } from "../index.js";

/** Timers that fire when the clock is moved past them. */
export class ManualTimers {
  readonly clock = new ManualClock();
  #timers: { readonly dueNs: number; readonly work: () => void }[] = [];

  readonly timer = (ms: number, work: () => void): (() => void) => {
    const timer = { dueNs: this.clock.now() + ms * 1e6, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer);
    };
  };

  get pending(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const untilNs = this.clock.now() + ms * 1e6;
    for (;;) {
      const due = this.#timers.filter((t) => t.dueNs <= untilNs).sort((a, b) => a.dueNs - b.dueNs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== due);
      this.clock.advance(Math.max(0, due.dueNs - this.clock.now()));
      due.work();
    }
    this.clock.advance(untilNs - this.clock.now());
  }
}

export class FakeWire implements Wire {
  /** Frames sent, checksums filled in. */
  readonly sent: Uint8Array[] = [];
  readonly gsoSizes: number[] = [];
  settled = 0;
  isFull = false;
  isPlugged = true;

  send(packet: Packet): boolean {
    if (this.isFull) return false;
    const frame = new Uint8Array(MOST_FRAME_BYTES).subarray(0, packet.length);
    packet.copyTo(frame, 0, 0, packet.length);
    if (packet.partialChecksum) complete(frame);
    this.sent.push(frame);
    this.gsoSizes.push(packet.gsoSize);
    return true;
  }

  settle(): void {
    this.settled++;
  }

  room(): void {}

  unplug(): void {
    this.isPlugged = false;
  }

  /** What was sent since the last time. */
  take(): Uint8Array[] {
    return this.sent.splice(0);
  }
}

/** Does what a receiver without checksum offload has done for it. */
function complete(frame: Uint8Array): void {
  const isIpv4 = frame[12] === 8;
  const at = isIpv4 ? 34 : 54;
  const field = at + ((isIpv4 ? frame[23] : frame[20]) === 17 ? 6 : 16);
  putU16(frame, field, checksumOf(sumBytes(frame, at, frame.length)));
}

export class FakeDatagrams implements OutsideDatagrams {
  readonly sent: [address: string, port: number, text: string][] = [];
  isOpen = true;

  constructor(
    readonly family: number,
    readonly events: DatagramEvents,
  ) {}

  send(address: string, port: number, bytes: Uint8Array): void {
    this.sent.push([address, port, new TextDecoder("latin1").decode(bytes)]);
  }

  close(): void {
    this.isOpen = false;
  }
}

export class FakeOutside implements Outside {
  readonly limits = null;
  readonly sockets: FakeDatagrams[] = [];
  readonly asked: string[] = [];
  readonly streams: string[] = [];
  hasDatagrams = true;
  resolution: (name: string, family: 4 | 6) => Promise<Resolution> = () => Promise.resolve({ kind: "failed" });
  name: (address: string) => Promise<string | null> = () => Promise.resolve(null);
  isAlive: (address: string) => Promise<boolean | null> = () => Promise.resolve(true);
  forward: FakeDatagrams | null = null;
  accepted: ((stream: OutsideStream, from: { address: string; port: number }) => StreamEvents) | null = null;

  get openSockets(): number {
    return this.sockets.filter((s) => s.isOpen).length;
  }

  openStream(address: string, port: number): OutsideStream {
    this.streams.push(`${address} ${port}`);
    return new FakeStream();
  }

  openDatagrams(family: 4 | 6, events: DatagramEvents): OutsideDatagrams | null {
    if (!this.hasDatagrams) return null;
    const socket = new FakeDatagrams(family, events);
    this.sockets.push(socket);
    return socket;
  }

  resolve(name: string, family: 4 | 6): Promise<Resolution> {
    this.asked.push(`${name} ${family}`);
    return this.resolution(name, family);
  }

  reverse(address: string): Promise<string | null> {
    return this.name(address);
  }

  ping(address: string): Promise<boolean | null> {
    return this.isAlive(address);
  }

  listen(
    _address: string,
    port: number,
    accepted: (stream: OutsideStream, from: { address: string; port: number }) => StreamEvents,
  ): Promise<Listener> {
    this.accepted = accepted;
    return Promise.resolve({ port, close: () => undefined });
  }

  listenDatagrams(_address: string, port: number, events: DatagramEvents): Promise<Listener & OutsideDatagrams> {
    const socket = new FakeDatagrams(4, events);
    this.forward = socket;
    return Promise.resolve({
      port,
      close: () => socket.close(),
      send: (address, to, bytes) => socket.send(address, to, bytes),
    });
  }

  close(): void {}
}

export class FakeStream implements OutsideStream {
  readonly written: Uint8Array[] = [];
  isAborted = false;

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return true;
  }

  end(): void {}

  abort(): void {
    this.isAborted = true;
  }

  pauseReading(): void {}
  resumeReading(): void {}
}

/** TCP that remembers what it was given. */
export class FakeTcp implements TcpEngine {
  readonly segments: string[] = [];
  readonly forgotten: string[] = [];
  readonly opened: string[] = [];
  readonly connections = 0;
  resumed = 0;

  constructor(readonly parts: TcpParts) {}

  input(source: Uint8Array, destination: Uint8Array, packet: Packet, at: number, end: number): void {
    const bytes = new Uint8Array(end - at);
    packet.copyTo(bytes, 0, at, end - at);
    if (this.segments.length < 100) this.segments.push(`${source.join(".")} ${destination.join(".")} ${hexOf(bytes)}`);
  }

  openToGuest(
    source: { address: Uint8Array; port: number },
    guest: { address: Uint8Array; port: number },
    stream: OutsideStream,
  ): StreamEvents {
    this.opened.push(`${source.address.join(".")}:${source.port} ${guest.address.join(".")}:${guest.port}`);
    return {
      opened: () => undefined,
      data: (bytes) => void stream.write(bytes),
      drained: () => undefined,
      ended: () => undefined,
      closed: () => undefined,
    };
  }

  forget(guest: Uint8Array): void {
    this.forgotten.push(guest.join("."));
  }

  unreachable(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): void {
    this.forgotten.push(`${guest.join(".")} ${guestPort} ${remote.join(".")} ${remotePort}`);
  }

  resume(): void {
    this.resumed++;
  }

  stats(): Readonly<Record<string, number>> {
    return {};
  }

  close(): void {}
}

export interface Bench {
  readonly nat: Nat;
  readonly wire: FakeWire;
  readonly outside: FakeOutside;
  readonly timers: ManualTimers;
  readonly tcp: FakeTcp;
  /** A guest sends a frame, by an interface with the MAC `payer`; answers what it is sent within the call. */
  send(frame: Uint8Array | string, vouched?: boolean, payer?: Uint8Array): Uint8Array[];
  /** Lets promises settle; answers what was sent since. */
  later(): Promise<Uint8Array[]>;
}

/** `makeOther` when it is to be another than the fake. */
export function bench(options: NatOptions = {}, makeOther?: (parts: TcpParts) => TcpEngine): Bench {
  const timers = new ManualTimers();
  const wire = new FakeWire();
  const outside = new FakeOutside();
  let tcp: FakeTcp | null = null;
  const plug = (_station: Station): Wire => wire;
  const makeTcp = (parts: TcpParts): TcpEngine => {
    tcp = new FakeTcp(parts);
    return makeOther?.(parts) ?? tcp;
  };
  const { clock, timer } = timers;
  const nat = new Nat({ plug, clock, timer, random: new SeededRandom(1), outside, tcp: makeTcp }, options);
  const packet = new Packet(null);
  const send = (frame: Uint8Array | string, vouched = false, payer: Uint8Array | null = null): Uint8Array[] => {
    wire.take();
    packet.wrap(typeof frame === "string" ? bytesOfHex(frame) : frame);
    packet.payer = payer;
    packet.dataValidated = vouched;
    nat.receive(packet);
    return wire.take();
  };
  const later = async (): Promise<Uint8Array[]> => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
    return wire.take();
  };
  return { nat, wire, outside, timers, tcp: tcp!, send, later };
}

export const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
export const bytesOfHex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
