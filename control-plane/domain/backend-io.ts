/** The world of one device back end of a domain: keys below its two paths, grants and events of its guest. */
import type { BackendIo } from "../backends/backend.js";
import type { CoreLink } from "../core-link/index.js";
import type { EventChannels } from "../evtchn/index.js";
import { GrantTable } from "../gnttab/index.js";
import type { Clock, LogRing } from "../util/index.js";
import type { DevicePaths } from "../xenbus/index.js";
import type { LocalStore } from "../xenstore/index.js";

export interface BackendIoParts {
  readonly core: CoreLink;
  readonly channels: EventChannels;
  readonly store: LocalStore;
  readonly clock: Clock;
  readonly log: LogRing;
  readonly later: (work: () => void) => void;
}

/** What only the device's handshake can do; it is made after the io. */
export interface DeviceDeeds {
  announce(): void;
  fail(why: string): void;
}

/** `name` stands in the log before what is said of the device. */
export function backendIo(
  parts: BackendIoParts,
  domid: number,
  name: string,
  paths: DevicePaths,
  device: () => DeviceDeeds,
): BackendIo {
  const { core, channels, store, clock, log, later } = parts;
  const grants = new GrantTable(core);
  return {
    domid,
    clock,
    memory: core.memory,
    readFrontend: (key) => store.read(`${paths.frontend}/${key}`),
    watchFrontend: (key, changed) => store.watch(`${paths.frontend}/${key}`, changed),
    readBackend: (key) => store.read(`${paths.backend}/${key}`),
    // A new key is readable as its folder is.
    writeBackend: (key, value) => void store.write(`${paths.backend}/${key}`, value),
    mapGrant: (ref, readonly) => grants.map(domid, ref, readonly),
    mapPage: (ref, readonly) => grants.mapPage(domid, ref, readonly),
    unmapPage: (ref, readonly) => grants.unmapPage(domid, ref, readonly),
    bindChannel: (port, handler) => channels.bind(domid, port, handler),
    later,
    announce: () => device().announce(),
    fail: (why) => device().fail(why),
    log: (line) => log.writeLimited(`d${domid} ${name}`, line),
  };
}
