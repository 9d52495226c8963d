/** The front end's keys of an interface: its rings and what it can take. Anything may stand there. [XEN] io/netif.h */
import { err, ok, type Result } from "../../util/index.js";
import type { BackendIo } from "../backend.js";
import { readNumber, readReference } from "../frontend-keys.js";

export interface QueueKeys {
  readonly txRef: number;
  readonly rxRef: number;
  readonly txPort: number;
  /** The same as `txPort` when one channel serves both rings. */
  readonly rxPort: number;
}

/** What may be put into the guest's buffers. */
export interface Capabilities {
  /** Frames in several buffers. */
  readonly scatter: boolean;
  /** Large segments of TCP over IPv4 and IPv6. */
  readonly large4: boolean;
  readonly large6: boolean;
  /** Partial checksums over IPv4 and IPv6. */
  readonly partial4: boolean;
  readonly partial6: boolean;
  /** It tells of new buffers when it is asked to. */
  readonly tellsOfBuffers: boolean;
}

export interface FrontendKeys {
  readonly queues: readonly QueueKeys[];
  readonly control: { readonly ref: number; readonly port: number } | null;
  readonly capabilities: Capabilities;
}

/** Reads and checks all of them; the message names the key that is wrong. */
export function readFrontendKeys(io: BackendIo, mostQueues: number): Result<FrontendKeys> {
  if (!hasFlag(io, "request-rx-copy")) return err("unsupported", "request-rx-copy: not set, and there is no other way");
  const count = readNumber(io, "multi-queue-num-queues", 1, 1, mostQueues);
  if (!count.ok) return count;
  const queues: QueueKeys[] = [];
  for (let queue = 0; queue < count.value; queue++) {
    const keys = readQueue(io, count.value > 1 ? `queue-${queue}/` : "");
    if (!keys.ok) return keys;
    queues.push(keys.value);
  }
  const control = readControl(io);
  if (!control.ok) return control;
  return ok({ queues, control: control.value, capabilities: readCapabilities(io) });
}

/** Whether groups are to be received that were asked for alone; it may change at any time. */
export const wantsMulticastControl = (io: BackendIo): boolean => hasFlag(io, "request-multicast-control");

function readCapabilities(io: BackendIo): Capabilities {
  const scatter = hasFlag(io, "feature-sg");
  return {
    scatter,
    large4: scatter && hasFlag(io, "feature-gso-tcpv4"),
    large6: scatter && hasFlag(io, "feature-gso-tcpv6"),
    partial4: !hasFlag(io, "feature-no-csum-offload"),
    partial6: hasFlag(io, "feature-ipv6-csum-offload"),
    tellsOfBuffers: hasFlag(io, "feature-rx-notify"),
  };
}

function readQueue(io: BackendIo, folder: string): Result<QueueKeys> {
  const txRef = readReference(io, `${folder}tx-ring-ref`);
  if (!txRef.ok) return txRef;
  const rxRef = readReference(io, `${folder}rx-ring-ref`);
  if (!rxRef.ok) return rxRef;
  const isSplit = io.readFrontend(`${folder}event-channel-tx`) !== null;
  const txPort = readReference(io, `${folder}event-channel${isSplit ? "-tx" : ""}`);
  if (!txPort.ok) return txPort;
  const rxPort = isSplit ? readReference(io, `${folder}event-channel-rx`) : txPort;
  if (!rxPort.ok) return rxPort;
  return ok({ txRef: txRef.value, rxRef: rxRef.value, txPort: txPort.value, rxPort: rxPort.value });
}

function readControl(io: BackendIo): Result<FrontendKeys["control"]> {
  if (io.readFrontend("ctrl-ring-ref") === null) return ok(null);
  const ref = readReference(io, "ctrl-ring-ref");
  if (!ref.ok) return ref;
  const port = readReference(io, "event-channel-ctrl");
  return port.ok ? ok({ ref: ref.value, port: port.value }) : port;
}

function hasFlag(io: BackendIo, key: string): boolean {
  const text = io.readFrontend(key);
  return text !== null && /^\d{1,10}$/.test(text) && Number(text) !== 0;
}
