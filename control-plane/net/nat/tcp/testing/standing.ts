/** A connection that stands, for tests that give it segments by hand, and options of these. [RFC 2018] [RFC 7323] [RFC 9293] */
import type { TcpLimits } from "../index.js";
import { ACK, payloadOf, Rig, SYN, segment, seqOf } from "./simulation.js";

export const MSS = 1460;
export const MSS_OPTION = [2, 4, 5, 180];
export const SACK_PERMITTED = [4, 2];
export const stamps = (value: number, echo = 0): number[] => [
  ...[1, 1, 8, 10],
  ...[0, 0, value >> 8, value & 255],
  ...[0, 0, echo >> 8, echo & 255],
];
export const words = (...values: number[]): number[] =>
  values.flatMap((v) => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255]);
export const sack = (...edges: number[]): number[] => [1, 1, 5, 2 + edges.length * 4, ...words(...edges)];

/** A connection that stands. What is sent from now on is in `rig.sent`. */
export function established(options: readonly number[] = [], limits: Partial<TcpLimits> = {}) {
  const rig = new Rig(limits);
  rig.input(segment({ seq: 1000, flags: SYN, options: [...MSS_OPTION, ...options] }));
  const stream = rig.streams.at(-1)!;
  stream.events.opened();
  const next = (seqOf(rig.last) + 1) >>> 0;
  const hasStamps = options.includes(8);
  const more = hasStamps ? { options: stamps(10) } : {};
  const input = (fields: Partial<Parameters<typeof segment>[0]>) =>
    rig.input(segment({ seq: 1001, ack: next, flags: ACK, ...more, ...fields }));
  input({});
  rig.sent.length = 0;
  const state = () => rig.tcp.list()[0]?.state ?? "gone";
  /** Sequence numbers of what was sent, from the first on, and how much. */
  const sent = () => rig.sent.map((bytes) => [(seqOf(bytes) - next) | 0, payloadOf(bytes).length]);
  const at = (offset: number) => (next + offset) >>> 0;
  return { rig, stream, next, input, state, sent, at };
}

/** Full segments, one at a time. */
export function give(c: ReturnType<typeof established>, count: number): void {
  for (let n = 0; n < count; n++) c.stream.events.data(new Uint8Array(MSS).fill(n));
}
