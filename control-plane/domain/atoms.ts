/**
 * The smallest steps of a domain's life, as values: they can be listed, logged and tested. What each does is here; in
 * which order they come is `plan.ts`'s business. An atom may be run on a domain that is half built or half gone.
 */
import { ConsoleBackend, SerialConsole } from "../backends/console/index.js";
import { type CoreLink, domainView } from "../core-link/index.js";
import type { EventChannels } from "../evtchn/index.js";
import { err, type LogRing, ok, type Result } from "../util/index.js";
import { XenstoreRing, type XenstoreServer } from "../xenstore/index.js";
import {
  type BuildError,
  createInCore,
  loadKernelSegments,
  loadRamdisk,
  planMemory,
  setHvmParams,
  setPlatform,
  startBootVcpu,
  writeTables,
} from "./builder.js";
import { dumpCore } from "./core-dump.js";
import { type DiskError, type DiskParts, DomainDisk } from "./disks.js";
import type { DomainRecord } from "./record.js";
import { DomainVif, type VifError, type VifParts } from "./vifs.js";
import { removeDomainTree, writeDomainTree } from "./xenstore-tree.js";

export type Atom =
  | "open-disks"
  | "open-vifs"
  | "plan-memory"
  | "create-in-core"
  | "set-platform"
  | "load-kernel"
  | "load-ramdisk"
  | "write-tables"
  | "open-channels"
  | "set-hvm-params"
  | "write-xenstore"
  | "connect-backends"
  | "show-disks"
  | "show-vifs"
  | "start-vcpu"
  | "unpause"
  | "pause"
  | "quiesce"
  | "dump-core"
  | "disconnect-backends"
  | "close-disks"
  | "close-vifs"
  | "remove-xenstore"
  | "destroy-in-core";

export type AtomResult = Result<void, BuildError | DiskError | VifError>;

/** Keeps a core dump under a name; rejects when it cannot. */
export type CoreSink = (name: string, chunks: Iterable<Uint8Array>) => Promise<void>;

/** Everything that atoms may touch. */
export interface AtomContext {
  readonly core: CoreLink;
  readonly channels: EventChannels;
  readonly store: XenstoreServer;
  readonly log: LogRing;
  /** Asks for another look at the domains soon. */
  serviceSoon(): void;
  /** Resolves when the condition holds; asked again whenever the core rings. */
  until(condition: () => boolean): Promise<void>;
  /** Where automatic core dumps go; null when the host has no place for them. */
  readonly coreSink: CoreSink | null;
  /** What disks and interfaces need. */
  readonly disks: DiskParts;
  readonly vifs: VifParts;
}

type Perform = (context: AtomContext, record: DomainRecord) => AtomResult | Promise<AtomResult>;

const DONE: AtomResult = ok(undefined);
const EBUSY = -16;

export function performAtom(context: AtomContext, record: DomainRecord, atom: Atom): AtomResult | Promise<AtomResult> {
  return PERFORM[atom](context, record);
}

const built =
  (step: (core: CoreLink, record: DomainRecord) => AtomResult): Perform =>
  (context, record) =>
    step(context.core, record);

function openChannels(context: AtomContext, record: DomainRecord): AtomResult {
  const store = context.channels.open(record.domid, () => {
    record.storeDue = true;
  });
  if (!store.ok) return store;
  record.storeChannel = store.value;
  const console = context.channels.open(record.domid, () => {
    record.consoleDue = true;
  });
  if (!console.ok) return console;
  record.consoleChannel = console.value;
  return DONE;
}

function connectBackends(context: AtomContext, record: DomainRecord): AtomResult {
  const { core, log } = context;
  const { layout, storeChannel, consoleChannel, domid } = record;
  const storePage = core.calls.domainPin(domid, layout!.xenstoreGfn) >>> 0;
  const consolePage = core.calls.domainPin(domid, layout!.consoleGfn) >>> 0;
  record.pinned.push(storePage, consolePage);
  if (storePage === 0 || consolePage === 0)
    return err("out-of-memory", "the machine has no frames left for Xen's pages");
  const io = (page: number, notify: () => void) => ({
    memory: core.memory,
    page,
    notify,
    log: (line: string) => log.writeLimited(`d${domid}`, line),
  });
  record.store = new XenstoreRing(
    io(storePage, () => storeChannel!.notify()),
    context.store,
    domid,
  );
  record.console = new ConsoleBackend(
    io(consolePage, () => consoleChannel!.notify()),
    record.consoles.pv,
  );
  const platform = domainView(core, domid)?.get("platformState") ?? 0;
  if (platform !== 0) {
    const kick = () => core.calls.serialNotify(domid);
    record.serial = new SerialConsole({ memory: core.memory, platform, kick }, record.consoles.serial);
  }
  return DONE;
}

async function openDisks(context: AtomContext, record: DomainRecord): Promise<AtomResult> {
  for (const config of record.config.disks) {
    const disk = await DomainDisk.open(context.disks, record, config);
    if (!disk.ok) return disk;
    record.disks.set(disk.value.vdev.id, disk.value);
  }
  return DONE;
}

/** The guest's memory may be freed after this: nothing moves to or from it any more. */
async function closeDisks(context: AtomContext, record: DomainRecord): Promise<AtomResult> {
  const disks = [...record.disks.values()];
  record.disks.clear();
  for (const result of await Promise.all(disks.map((disk) => disk.close()))) {
    if (!result.ok) context.log.write(`d${record.domid}: ${result.error.message}`);
  }
  return DONE;
}

async function openVifs(context: AtomContext, record: DomainRecord): Promise<AtomResult> {
  const { vifs, maxVcpus } = record.config;
  // Numbers that somebody chose are nobody else's.
  const taken = new Set(vifs.flatMap(({ config }) => config.devid ?? []));
  for (const plan of vifs) {
    const vif = await DomainVif.open(context.vifs, record.domid, plan, taken, maxVcpus);
    if (!vif.ok) return vif;
    taken.add(vif.value.devid);
    record.vifs.set(vif.value.devid, vif.value);
  }
  return DONE;
}

/** As with disks. */
async function closeVifs(_: AtomContext, record: DomainRecord): Promise<AtomResult> {
  const vifs = [...record.vifs.values()];
  record.vifs.clear();
  await Promise.all(vifs.map((vif) => vif.close()));
  return DONE;
}

function unpause(context: AtomContext, record: DomainRecord): AtomResult {
  if (!record.userPaused) return DONE;
  record.userPaused = false;
  context.core.calls.domainUnpause(record.domid);
  return DONE;
}

function pause(context: AtomContext, record: DomainRecord): AtomResult {
  if (record.userPaused || !record.exists) return DONE;
  record.userPaused = true;
  context.core.calls.domainPause(record.domid);
  return DONE;
}

async function quiesce(context: AtomContext, record: DomainRecord): Promise<AtomResult> {
  if (record.exists) await context.until(() => context.core.calls.domainQuiescent(record.domid) !== 0);
  return DONE;
}

/** A dump that cannot be kept changes nothing about the end of its domain. */
async function dumpToSink(context: AtomContext, record: DomainRecord): Promise<AtomResult> {
  const sink = context.coreSink;
  if (!sink) {
    context.log.write(`d${record.domid}: no place for a core dump on this host`);
    return DONE;
  }
  try {
    await sink(`${record.name}.${record.domid}.core`, dumpCore(context.core, record.domid));
  } catch (error) {
    context.log.write(`d${record.domid}: no core dump: ${(error as Error).message}`);
  }
  return DONE;
}

function disconnectBackends(context: AtomContext, record: DomainRecord): AtomResult {
  record.console?.close();
  record.serial?.close();
  if (record.store) record.store.close();
  record.storeChannel?.close();
  record.consoleChannel?.close();
  record.console = null;
  record.serial = null;
  record.store = null;
  record.storeChannel = null;
  record.consoleChannel = null;
  for (const page of record.pinned.splice(0)) if (page !== 0) context.core.calls.domainUnpin(page);
  return DONE;
}

async function destroyInCore(context: AtomContext, record: DomainRecord): Promise<AtomResult> {
  if (!record.exists) return DONE;
  let status = EBUSY;
  await context.until(() => {
    status = context.core.calls.domainDestroy(record.domid);
    return status !== EBUSY;
  });
  record.exists = false;
  return status < 0 ? err("internal", `the hypervisor could not destroy domain ${record.domid} (${status})`) : DONE;
}

const PERFORM: Record<Atom, Perform> = {
  "open-disks": openDisks,
  "open-vifs": openVifs,
  "plan-memory": built(planMemory),
  "create-in-core": built(createInCore),
  "set-platform": built(setPlatform),
  "load-kernel": built(loadKernelSegments),
  "load-ramdisk": built(loadRamdisk),
  "write-tables": built(writeTables),
  "open-channels": openChannels,
  "set-hvm-params": built(setHvmParams),
  "write-xenstore": (context, record) => {
    writeDomainTree(context.store.local, record);
    return DONE;
  },
  "connect-backends": connectBackends,
  "show-disks": (_, record) => {
    for (const disk of record.disks.values()) disk.start();
    return DONE;
  },
  "show-vifs": (_, record) => {
    for (const vif of record.vifs.values()) vif.start();
    return DONE;
  },
  "start-vcpu": built(startBootVcpu),
  unpause,
  pause,
  quiesce,
  "dump-core": dumpToSink,
  "disconnect-backends": disconnectBackends,
  "close-disks": closeDisks,
  "close-vifs": closeVifs,
  "remove-xenstore": (context, record) => {
    removeDomainTree(context.store.local, record);
    return DONE;
  },
  "destroy-in-core": destroyInCore,
};
