/** The front end's keys of a disk: which rings it has. Anything may stand there. [XEN] io/blkif.h */
import { err, ok, type Result } from "../../util/index.js";
import type { BackendIo } from "../backend.js";
import { readNumber, readReference, shownValue } from "../frontend-keys.js";
import { type Abi, abiOf } from "./codec.js";

/** Rings that a front end may have, and the pages of one as a power of two. */
export const MOST_QUEUES = 16;
export const MOST_RING_ORDER = 4;

export interface RingKeys {
  readonly refs: readonly number[];
  readonly port: number;
}

export interface FrontendKeys {
  readonly abi: Abi;
  readonly persistent: boolean;
  readonly rings: readonly RingKeys[];
}

/** Reads and checks all of them; the message names the key that is wrong. */
export function readFrontendKeys(io: BackendIo): Result<FrontendKeys> {
  const protocol = io.readFrontend("protocol");
  const abi = abiOf(protocol);
  if (abi === undefined) return err("unsupported", `protocol: ${shownValue(protocol!)} is not known`);
  const queues = readNumber(io, "multi-queue-num-queues", 1, 1, MOST_QUEUES);
  if (!queues.ok) return queues;
  const order = readNumber(io, "ring-page-order", 0, 0, MOST_RING_ORDER);
  if (!order.ok) return order;
  const hasOrder = io.readFrontend("ring-page-order") !== null;
  const rings: RingKeys[] = [];
  for (let queue = 0; queue < queues.value; queue++) {
    const ring = readRing(io, queues.value > 1 ? `queue-${queue}/` : "", hasOrder ? 2 ** order.value : null);
    if (!ring.ok) return ring;
    rings.push(ring.value);
  }
  return ok({ abi, persistent: io.readFrontend("feature-persistent") === "1", rings });
}

/** `pages` is null when the front end speaks of a ring of one page in the old way. */
function readRing(io: BackendIo, folder: string, pages: number | null): Result<RingKeys> {
  const port = readReference(io, `${folder}event-channel`);
  if (!port.ok) return port;
  const names = pages === null ? ["ring-ref"] : Array.from({ length: pages }, (_, page) => `ring-ref${page}`);
  const refs: number[] = [];
  for (const name of names) {
    const ref = readReference(io, folder + name);
    if (!ref.ok) return ref;
    refs.push(ref.value);
  }
  return ok({ refs, port: port.value });
}
