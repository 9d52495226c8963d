/**
 * What a device back end is, and all that it may touch. Shared code never asks which kind it has.
 */
import type { MachineMemory } from "../core-link/index.js";
import type { EventChannel } from "../evtchn/index.js";
import type { MappedGrant } from "../gnttab/index.js";
import type { Clock, Result } from "../util/index.js";

/** The world of one back end: its device's keys, its guest's grants and events, and time. */
export interface BackendIo {
  readonly domid: number;
  readonly clock: Clock;
  readonly memory: MachineMemory;
  /** A key of the front end's directory; null when absent. Anything may stand there. */
  readFrontend(key: string): string | null;
  /** Calls `changed` once at once, and whenever a key of the front end's directory may have changed. Answers what ends it. */
  watchFrontend(key: string, changed: () => void): () => void;
  readBackend(key: string): string | null;
  writeBackend(key: string, value: string): void;
  mapGrant(ref: number, readonly?: boolean): Result<MappedGrant>;
  /** The same for data, of which there is much: the page's machine address, negative when it is refused. */
  mapPage(ref: number, readonly: boolean): number;
  unmapPage(ref: number, readonly: boolean): void;
  bindChannel(port: number, handler: () => void): Result<EventChannel>;
  /** Runs work after others had their turn. */
  later(work: () => void): void;
  /** Tells the front end that keys of ours have changed while it is connected. */
  announce(): void;
  /** The guest broke the protocol: the device is closed, with the reason in the log and in its error key. */
  fail(why: string): void;
  log(line: string): void;
}

/**
 * One device back end. Order of calls: negotiate, connect, then any number of onEvent; disconnect may come at any time
 * after connect was tried and is followed by negotiate again when the guest reconnects. pause() resolves when no work is
 * in flight; a paused back end starts nothing but must still accept and hold events. save() is only called while paused.
 */
export interface Backend<Saved = unknown> {
  /** Writes the keys that tell the front end what we can do. */
  negotiate(io: BackendIo): Result<void>;
  /** Reads the front end's keys, maps its rings, binds its channel. A failure leaves nothing mapped. */
  connect(io: BackendIo): Result<void>;
  /** Looks at the rings: something may have changed. */
  onEvent(): void;
  disconnect(): void;
  pause(): Promise<void>;
  resume(): void;
  save(): Saved;
  restore(saved: Saved): Result<void>;
  /** Counters by name, for people. */
  stats(): Readonly<Record<string, number>>;
}
