/**
 * The block back end: a disk for a guest's xen-blkfront. Negotiates with its keys, maps its rings and hands their requests
 * to the disk. [XEN] io/blkif.h
 */
import type { EventChannel } from "../../evtchn/index.js";
import type { MappedGrant } from "../../gnttab/index.js";
import { BackRing, slotCount } from "../../ring/index.js";
import { Asker, type Disk, StorageError } from "../../storage/index.js";
import { err, ok, type Result } from "../../util/index.js";
import type { Backend, BackendIo } from "../backend.js";
import { MOST_SEGMENTS } from "./codec.js";
import { type FrontendKeys, MOST_QUEUES, MOST_RING_ORDER, readFrontendKeys } from "./keys.js";
import { BlkQueue, type QueueParts } from "./queue.js";
import { newCounters, restoreBlk, type SavedBlk, saveBlk } from "./saved.js";

const PAGE_BYTES = 4096;
/** What images like: pages of the host, whole. */
const PHYSICAL_SECTOR_BYTES = 4096;
const DISCARD_GRANULARITY = 4096;
/** VDISK_* of the key `info`. */
const INFO_CDROM = 1;
const INFO_REMOVABLE = 2;
const INFO_READONLY = 4;

export interface BlkOptions {
  readonly disk: Disk;
  /** The guest may only read, whatever the disk allows. */
  readonly readOnly?: boolean;
  readonly cdrom?: boolean;
  /** False keeps the guest from freeing what it no longer needs. */
  readonly discard?: boolean;
  /**
   * Offers to keep a pool of pages mapped, through which the guest copies everything. It was made for backends to which
   * mapping is dear; for this one it is not, and the copies cost the guest more than granting and revoking each page.
   */
  readonly persistentGrants?: boolean;
}

interface Connection {
  readonly queues: readonly BlkQueue[];
  readonly grants: readonly MappedGrant[];
}

export class BlkBackend implements Backend<SavedBlk> {
  readonly #counters = newCounters();
  #disk: Disk;
  #io: BackendIo | null = null;
  #connection: Connection | null = null;
  /** Of connections that ended with requests under way. */
  readonly #ending = new Set<Promise<void>>();
  #paused = false;
  /** Of the disk as it was when its front end asked; its images may change under it. */
  #offersDiscard = false;
  /** The guest, as one who reads the medium that is in. */
  #guest = new Asker();
  #isAbandoned = false;

  constructor(private readonly options: BlkOptions) {
    this.#disk = this.#view(options.disk);
  }

  /** What the guest sees. */
  get disk(): Disk {
    return this.#disk;
  }

  negotiate(io: BackendIo): Result<void> {
    this.#io = io;
    const write = (key: string, value: number) => io.writeBackend(key, String(value));
    const { supportsDiscard, readOnly } = this.#disk;
    this.#offersDiscard = supportsDiscard && !readOnly && this.options.discard !== false;
    write("feature-flush-cache", 1);
    write("feature-barrier", 1);
    write("feature-persistent", this.options.persistentGrants ? 1 : 0);
    write("feature-max-indirect-segments", MOST_SEGMENTS);
    write("feature-discard", this.#offersDiscard ? 1 : 0);
    write("discard-granularity", DISCARD_GRANULARITY);
    write("discard-alignment", 0);
    write("discard-secure", 0);
    write("max-ring-page-order", MOST_RING_ORDER);
    write("multi-queue-max-queues", MOST_QUEUES);
    this.#describeDisk(io);
    return ok(undefined);
  }

  connect(io: BackendIo): Result<void> {
    const keys = readFrontendKeys(io);
    if (!keys.ok) return keys;
    const grants: MappedGrant[] = [];
    const channels: EventChannel[] = [];
    const queues = this.#openQueues(io, keys.value, grants, channels);
    if (!queues.ok) {
      for (const channel of channels) channel.close();
      for (const grant of grants) grant.unmap();
      return queues;
    }
    this.#connection = { queues: queues.value, grants };
    this.#describeDisk(io);
    if (this.#isHeld) for (const queue of queues.value) void queue.pause();
    // Requests may have come before there was somebody to notify.
    io.later(() => this.onEvent());
    return ok(undefined);
  }

  onEvent(): void {
    for (const queue of this.#connection?.queues ?? []) queue.look();
  }

  disconnect(): void {
    const ending = this.#connection;
    this.#connection = null;
    if (ending === null) return;
    const stopped = Promise.all(ending.queues.map((queue) => queue.stop())).then(() => {
      this.#ending.delete(stopped);
      this.#goOn();
    });
    this.#ending.add(stopped);
    for (const grant of ending.grants) grant.unmap();
  }

  /** The guest is about to be no more: what it reads and has not got yet fails, however slow the disk is. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#guest.leave();
  }

  async pause(): Promise<void> {
    this.#paused = true;
    await Promise.all([...(this.#connection?.queues ?? []).map((queue) => queue.pause()), ...this.#ending]);
  }

  resume(): void {
    this.#paused = false;
    this.#goOn();
  }

  /**
   * Also while requests of a former connection are under way: what they write may not come after what is asked for now, and
   * a front end that connects again and again has no more of them than one does.
   */
  get #isHeld(): boolean {
    return this.#paused || this.#ending.size > 0;
  }

  #goOn(): void {
    if (this.#isHeld) return;
    for (const queue of this.#connection?.queues ?? []) queue.resume();
  }

  /**
   * Puts another medium in. Requests under way end on the former one, which is given back to be closed; what a server has not
   * answered by now fails, as it would with a drive that is opened.
   */
  async changeDisk(disk: Disk): Promise<Disk> {
    this.#guest.leave();
    await this.pause();
    this.#guest = new Asker();
    if (this.#isAbandoned) this.#guest.leave();
    const former = this.#disk;
    this.#disk = this.#view(disk);
    if (this.#io !== null) {
      this.#describeDisk(this.#io);
      this.#io.announce();
    }
    this.resume();
    return former instanceof ReadOnlyView ? former.disk : former;
  }

  /** The disk has grown: the guest is told. */
  resized(): void {
    if (this.#io === null) return;
    this.#describeDisk(this.#io);
    this.#io.announce();
  }

  save(): SavedBlk {
    return saveBlk(this.#counters);
  }

  restore(saved: SavedBlk): Result<void> {
    return restoreBlk(this.#counters, saved);
  }

  stats(): Readonly<Record<string, number>> {
    const inFlight = (this.#connection?.queues ?? []).reduce((sum, queue) => sum + queue.inFlight, 0);
    return { ...this.#counters, inFlight, queues: this.#connection?.queues.length ?? 0 };
  }

  #view(disk: Disk): Disk {
    return this.options.readOnly && !disk.readOnly ? new ReadOnlyView(disk) : disk;
  }

  #describeDisk(io: BackendIo): void {
    const { sectors, sectorSize, readOnly } = this.#disk;
    const { cdrom } = this.options;
    const info = (cdrom ? INFO_CDROM | INFO_REMOVABLE : 0) | (readOnly ? INFO_READONLY : 0);
    io.writeBackend("sectors", String(sectors));
    io.writeBackend("sector-size", String(sectorSize));
    io.writeBackend("physical-sector-size", String(cdrom ? sectorSize : PHYSICAL_SECTOR_BYTES));
    io.writeBackend("info", String(info));
  }

  #openQueues(
    io: BackendIo,
    { abi, persistent, rings }: FrontendKeys,
    grants: MappedGrant[],
    channels: EventChannel[],
  ): Result<BlkQueue[]> {
    const parts: QueueParts = {
      io,
      abi,
      persistent: persistent && this.options.persistentGrants === true,
      counters: this.#counters,
      discard: this.#offersDiscard,
      disk: () => this.#disk,
      guest: () => this.#guest,
      broken: (why) => io.fail(why),
    };
    const queues: BlkQueue[] = [];
    for (const { refs, port } of rings) {
      const pages: number[] = [];
      for (const ref of refs) {
        const grant = io.mapGrant(ref);
        if (!grant.ok) return grant;
        grants.push(grant.value);
        pages.push(grant.value.address);
      }
      const bytes = pages.length * PAGE_BYTES;
      if (slotCount(bytes, abi.slotBytes) === 0) return err("denied", "the ring holds no request");
      const ring = new BackRing({ memory: io.memory, address: pages[0]!, bytes, pages, slotBytes: abi.slotBytes });
      if (!ring.attach()) return err("denied", "the ring's indices contradict each other");
      const queue = new BlkQueue(parts, ring);
      const channel = io.bindChannel(port, () => queue.look());
      if (!channel.ok) return channel;
      channels.push(channel.value);
      queue.channel = channel.value;
      queues.push(queue);
    }
    return ok(queues);
  }
}

/** A disk that could be written to, for a guest that may not. */
class ReadOnlyView implements Disk {
  readonly readOnly = true;
  readonly supportsDiscard = false;
  readonly sectorSize: Disk["sectorSize"];

  constructor(readonly disk: Disk) {
    this.sectorSize = disk.sectorSize;
  }

  get description(): string {
    return this.disk.description;
  }

  get sectors(): number {
    return this.disk.sectors;
  }

  read(sector: number, into: readonly Uint8Array[], asker?: Asker): ReturnType<Disk["read"]> {
    return this.disk.read(sector, into, asker);
  }

  write(): never {
    throw new StorageError("read-only", "the guest may only read", { file: this.description });
  }

  flush(): void {}

  discard(): never {
    return this.write();
  }

  close(): ReturnType<Disk["close"]> {
    return this.disk.close();
  }
}
