/** A laboratory for switches: time in one's hand, stations that remember what they got, frames by their fields. */
import { ManualClock } from "../../../util/index.js";
import { Packet } from "../../packet.js";
import type { Station } from "../../station.js";

/** A clock and its timers, which run when time is moved over them. */
export class ManualTime extends ManualClock {
  #timers: { due: number; work: () => void }[] = [];

  readonly timer = (ms: number, work: () => void): (() => void) => {
    const timer = { due: this.now() + ms * 1e6, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  get timers(): number {
    return this.#timers.length;
  }

  /** Moves time on, timer by timer. */
  pass(ms: number): void {
    const end = this.now() + ms * 1e6;
    while (true) {
      const next = this.#timers.reduce<{ due: number; work: () => void } | null>(
        (first, timer) => (timer.due <= end && (first === null || timer.due < first.due) ? timer : first),
        null,
      );
      if (next === null) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.advance(Math.max(0, next.due - this.now()));
      next.work();
    }
    this.advance(end - this.now());
  }
}

export interface Received {
  readonly bytes: Uint8Array;
  readonly partialChecksum: boolean;
  readonly dataValidated: boolean;
  readonly gsoSize: number;
  readonly payer: Uint8Array | null;
}

/** Takes `space` frames, then none until it is given more. */
export class TestStation implements Station {
  received: Received[] = [];
  settled = 0;
  resumed = 0;
  space = Number.POSITIVE_INFINITY;
  onReceive: (() => void) | null = null;
  onResume: (() => void) | null = null;
  onSettle: (() => void) | null = null;

  constructor(readonly name: string) {}

  receive(packet: Packet): boolean {
    if (this.space <= 0) return false;
    this.space--;
    const bytes = new Uint8Array(packet.length);
    packet.copyTo(bytes, 0, 0, packet.length);
    const { partialChecksum, dataValidated, gsoSize, payer } = packet;
    this.received.push({ bytes, partialChecksum, dataValidated, gsoSize, payer });
    this.onReceive?.();
    return true;
  }

  settle(): void {
    this.settled++;
    this.onSettle?.();
  }

  resume(): void {
    this.resumed++;
    this.onResume?.();
  }

  /** What was received since the last time. */
  take(): Uint8Array[] {
    const taken = this.received.map(({ bytes }) => bytes);
    this.received = [];
    return taken;
  }
}

export interface FrameFields {
  readonly to: readonly number[];
  readonly from: readonly number[];
  /** Tag control word; no tag when absent. */
  readonly tag?: number;
  readonly type?: number;
  readonly payload?: readonly number[] | Uint8Array;
}

export const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] as const;
/** The address of the n-th station. */
export const mac = (n: number): number[] => [0x00, 0x16, 0x3e, 0, n >> 8, n & 0xff];

export function frame({ to, from, tag, type = 0x88b5, payload = [] }: FrameFields): Uint8Array {
  const tagBytes = tag === undefined ? [] : [0x81, 0x00, tag >> 8, tag & 0xff];
  return Uint8Array.from([...to, ...from, ...tagBytes, type >> 8, type & 0xff, ...payload]);
}

export function packetOf(bytes: Uint8Array): Packet {
  const packet = new Packet(null);
  packet.wrap(bytes);
  return packet;
}

const u16 = (n: number): number[] => [n >> 8, n & 0xff];

export interface IpFields {
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly protocol: number;
  readonly payload: readonly number[];
}

/** An IPv4 packet, or an IPv6 one when the addresses are of 16 bytes. */
export function ip({ source, destination, protocol, payload }: IpFields): { type: number; payload: number[] } {
  if (source.length === 16) {
    const header = [0x60, 0, 0, 0, ...u16(payload.length), protocol, 64, ...source, ...destination];
    return { type: 0x86dd, payload: [...header, ...payload] };
  }
  const header = [0x45, 0, ...u16(20 + payload.length), 0, 0, 0, 0, 64, protocol, 0, 0, ...source, ...destination];
  return { type: 0x0800, payload: [...header, ...payload] };
}

/** Header of a TCP segment, with its data. */
export const tcp = (source: number, destination: number, data: readonly number[] = []): number[] => {
  return [...u16(source), ...u16(destination), 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0, ...data];
};

export const udp = (source: number, destination: number, data: readonly number[] = []): number[] => {
  return [...u16(source), ...u16(destination), ...u16(8 + data.length), 0, 0, ...data];
};

export function arp(senderMac: readonly number[], senderIp: readonly number[], targetIp: readonly number[]): number[] {
  return [0, 1, 8, 0, 6, 4, 0, 1, ...senderMac, ...senderIp, 0, 0, 0, 0, 0, 0, ...targetIp];
}
