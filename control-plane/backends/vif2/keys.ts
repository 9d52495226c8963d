/** The front end's keys of a netchannel2 device: which rings it has. Anything may stand there. */
import { ok, type Result } from "../../util/index.js";
import type { BackendIo } from "../backend.js";
import { readNumber, readReference } from "../frontend-keys.js";

/** Rings that a front end may have, and the pages of one direction as powers of two. */
export const MOST_QUEUES = 16;
export const LEAST_ORDER = 2;
export const MOST_ORDER = 8;
/** What we write are whole packets: two of the largest must fit, and what answers the guest. */
export const LEAST_OUT_ORDER = 6;

export interface RingKeys {
  readonly controlRef: number;
  /** Of what the guest writes, and of what we write. */
  readonly inRefs: readonly number[];
  readonly outRefs: readonly number[];
  readonly port: number;
}

/** Reads and checks all of them; the message names the key that is wrong. */
export function readFrontendKeys(io: BackendIo, mostQueues: number): Result<RingKeys[]> {
  const queues = readNumber(io, "multi-queue-num-queues", null, 1, mostQueues);
  if (!queues.ok) return queues;
  const rings: RingKeys[] = [];
  for (let queue = 0; queue < queues.value; queue++) {
    const ring = readRing(io, `queue-${queue}/`);
    if (!ring.ok) return ring;
    rings.push(ring.value);
  }
  return ok(rings);
}

function readRing(io: BackendIo, folder: string): Result<RingKeys> {
  const controlRef = readReference(io, `${folder}control-gref`);
  if (!controlRef.ok) return controlRef;
  const inRefs = readRefs(io, `${folder}prod`, LEAST_ORDER);
  if (!inRefs.ok) return inRefs;
  const outRefs = readRefs(io, `${folder}cons`, LEAST_OUT_ORDER);
  if (!outRefs.ok) return outRefs;
  const port = readReference(io, `${folder}event-channel`);
  if (!port.ok) return port;
  return ok({ controlRef: controlRef.value, inRefs: inRefs.value, outRefs: outRefs.value, port: port.value });
}

function readRefs(io: BackendIo, name: string, leastOrder: number): Result<number[]> {
  const order = readNumber(io, `${name}-order`, null, leastOrder, MOST_ORDER);
  if (!order.ok) return order;
  const refs: number[] = [];
  for (let page = 0; page < 2 ** order.value; page++) {
    const ref = readReference(io, `${name}-gref-${page}`);
    if (!ref.ok) return ref;
    refs.push(ref.value);
  }
  return ok(refs);
}
