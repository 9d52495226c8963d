/**
 * The disks of a domain: images opened as its configuration says, each with a back end behind xenstore's keys; attached,
 * detached and given other media while the guest runs.
 */
import type { DiskConfig, DiskInfo } from "../api/types.js";
import { parseVdev, type Vdev } from "../api/vdev.js";
import { BlkBackend } from "../backends/blk/index.js";
import {
  type Asker,
  type Disk,
  formatOfName,
  LiveDisk,
  MemoryDisk,
  StorageError,
  unlessGone,
} from "../storage/index.js";
import { err, type Failure, ok, type Result, utf8ByteString } from "../util/index.js";
import { type DevicePaths, XenbusDevice } from "../xenbus/index.js";
import { homeOf } from "../xenstore/index.js";
import { type BackendIoParts, backendIo } from "./backend-io.js";
import { Removal } from "./removal.js";

/** Opens images for guests; null on a host that has no place for images. */
export type OpenDisk = (
  target: string,
  options: { readonly readOnly: boolean; readonly format?: NonNullable<DiskConfig["format"]> },
) => Promise<Disk>;

export interface DiskParts extends BackendIoParts {
  readonly openDisk: OpenDisk | null;
}

export type DiskError = "bad-config" | "not-found" | "bad-state" | "name-taken" | "unsupported" | "internal";
export type DiskResult<T = void> = Result<T, DiskError>;

const SECTOR_BYTES = 512;

const KINDS: Readonly<Record<string, DiskError>> = {
  "not-found": "not-found",
  exists: "name-taken",
  locked: "bad-state",
  "in-use": "bad-state",
  "not-quiesced": "bad-state",
  unsupported: "unsupported",
  io: "internal",
  full: "internal",
  network: "internal",
};

/** A failure of storage as one of ours. */
export function diskFailure(error: unknown, what: string): { readonly ok: false; readonly error: Failure<DiskError> } {
  if (!(error instanceof StorageError)) return err("internal", `${what}: ${(error as Error).message}`);
  return err(KINDS[error.code] ?? "bad-config", `${what}: ${error.problem}`, error.next);
}

/** The domain that a disk is of. */
export interface DiskOwner {
  readonly domid: number;
  /** Waits for no image any more once it is destroyed. */
  readonly asker: Asker;
}

/** One disk of a domain, from the opening of its image to its closing. */
export class DomainDisk {
  readonly #backend: BlkBackend;
  readonly #paths: DevicePaths;
  #device: XenbusDevice | null = null;
  #config: DiskConfig;
  #endResize: () => void = () => {};
  readonly #removal = new Removal();

  private constructor(
    private readonly parts: DiskParts,
    private readonly owner: DiskOwner,
    readonly vdev: Vdev,
    config: DiskConfig,
    disk: Disk,
  ) {
    this.#config = config;
    const readOnly = isReadOnly(config);
    const persistentGrants = config.persistentGrants ?? false;
    this.#backend = new BlkBackend({
      disk,
      readOnly,
      cdrom: config.devtype === "cdrom",
      persistentGrants,
      discard: config.discard ?? true,
    });
    this.#paths = {
      frontend: `${homeOf(owner.domid)}/device/vbd/${vdev.id}`,
      backend: `/local/domain/0/backend/vbd/${owner.domid}/${vdev.id}`,
    };
    this.#followSize(disk);
  }

  /** Opens the image. */
  static async open(parts: DiskParts, owner: DiskOwner, config: DiskConfig): Promise<DiskResult<DomainDisk>> {
    const vdev = parseVdev(config.vdev)!;
    const disk = await openMedium(parts, config, vdev.name, owner.asker);
    return disk.ok ? ok(new DomainDisk(parts, owner, vdev, config, disk.value)) : disk;
  }

  get config(): DiskConfig {
    return this.#config;
  }

  /** Whether this is what the guest reads and writes now. */
  shows(disk: Disk): boolean {
    return this.#backend.disk === disk;
  }

  /** Shows the disk to the guest. */
  start(): void {
    const { parts, vdev, config } = this;
    const io = backendIo(parts, this.owner.domid, vdev.name, this.#paths, () => this.#device!);
    this.#device = new XenbusDevice(parts.store, this.#paths, io, this.#backend, this.#removal.done);
    const id = String(vdev.id);
    const kind = config.devtype ?? "disk";
    this.#device.start({
      // Never "cdrom": Linux as an HVM or PVH guest leaves such a device to emulation. What it is, `info` says.
      frontend: { "virtual-device": id, "device-type": "disk", handle: id },
      backend: {
        dev: vdev.name,
        "device-type": kind,
        mode: isReadOnly(config) ? "r" : "w",
        bootable: "1",
        removable: kind === "cdrom" ? "1" : "0",
        type: "vbd",
        params: utf8ByteString(paramsOf(config)),
      },
    });
  }

  /** Asks the guest to let go; true when it has within the time that there is. */
  release(): Promise<boolean> {
    this.#device?.remove();
    return this.#removal.inTime();
  }

  /** The guest is about to be no more: what it waits for, nobody has to wait for. */
  abandon(): void {
    this.#backend.abandon();
  }

  /** Ends all work on the disk, whatever the guest thinks, and closes the image. */
  async close(): Promise<DiskResult> {
    this.#endResize();
    this.#device?.close();
    this.abandon();
    await this.#backend.pause();
    try {
      await this.#backend.disk.close();
      return ok(undefined);
    } catch (error) {
      return diskFailure(error, this.vdev.name);
    }
  }

  /** Removes the keys of a disk whose guest was not asked. */
  removeKeys(): void {
    this.parts.store.remove(this.#paths.backend);
    this.parts.store.remove(this.#paths.frontend);
  }

  /** Puts another medium into the drive; an empty target takes it out. */
  async changeMedium(target: string, format: DiskConfig["format"]): Promise<DiskResult> {
    const { format: _, ...rest } = this.#config;
    const config: DiskConfig = { ...rest, target, ...(format === undefined ? {} : { format }) };
    const disk = await openMedium(this.parts, config, this.vdev.name, this.owner.asker);
    if (!disk.ok) return disk;
    this.#config = config;
    this.#endResize();
    const former = await this.#backend.changeDisk(disk.value);
    this.#followSize(disk.value);
    this.parts.store.write(`${this.#paths.backend}/params`, utf8ByteString(paramsOf(config)));
    try {
      await former.close();
      return ok(undefined);
    } catch (error) {
      return diskFailure(error, this.vdev.name);
    }
  }

  info(): DiskInfo {
    const { disk } = this.#backend;
    return {
      config: this.#config,
      id: this.vdev.id,
      vdev: this.vdev.name,
      state: this.#device?.state.own ?? 0,
      sizeBytes: disk.sectors * SECTOR_BYTES,
      readOnly: disk.readOnly,
      chain: disk instanceof LiveDisk ? disk.chain : [this.#config.target],
      backendPath: this.#paths.backend,
      counters: this.#backend.stats(),
    };
  }

  #followSize(disk: Disk): void {
    this.#endResize = disk instanceof LiveDisk ? disk.onResize(() => this.#backend.resized()) : () => {};
  }
}

const isReadOnly = ({ access, devtype }: DiskConfig): boolean => devtype === "cdrom" || access === "r";
const paramsOf = ({ target, format }: DiskConfig): string =>
  target === "" ? "" : `${format ?? formatOfName(target) ?? "raw"}:${target}`;

async function openMedium(parts: DiskParts, config: DiskConfig, name: string, asker: Asker): Promise<DiskResult<Disk>> {
  const { target, format } = config;
  if (target === "") return ok(new MemoryDisk(0, { readOnly: true, description: "empty" }));
  if (parts.openDisk === null) return err("unsupported", `${name}: this host has no place for images`);
  const options = { readOnly: isReadOnly(config), ...(format === undefined ? {} : { format }) };
  const opening = parts.openDisk(target, options);
  try {
    return ok(await unlessGone(opening, asker));
  } catch (error) {
    // One that comes when nobody wants it any more.
    opening.then((disk) => disk.close()).catch(() => {});
    return diskFailure(error, name);
  }
}

/** What is wrong with the disks of a configuration, or null. */
export function checkDisks(disks: readonly DiskConfig[]): string | null {
  const seen = new Map<number, string>();
  for (const disk of disks) {
    const wrong = checkDisk(disk);
    if (wrong !== null) return wrong;
    const { id } = parseVdev(disk.vdev)!;
    const other = seen.get(id);
    if (other !== undefined) return `disk: "${disk.vdev}" is there twice: "${other}" is the same device`;
    seen.set(id, disk.vdev);
  }
  return null;
}

/** What is wrong with one disk, or null. */
export function checkDisk({ target, vdev, format, access, devtype }: DiskConfig): string | null {
  if (typeof vdev !== "string" || parseVdev(vdev) === null) {
    return `disk: vdev "${vdev}" names no disk: expected as in xvda, xvdb1, sda, hdc or d0p1`;
  }
  const within = (value: unknown, ...allowed: unknown[]): boolean => value === undefined || allowed.includes(value);
  if (typeof target !== "string" || target.includes("\0")) return `disk ${vdev}: target is no name of an image`;
  if (target === "" && devtype !== "cdrom") return `disk ${vdev}: target is missing`;
  if (!within(format, "raw", "vhd", "qcow2")) return `disk ${vdev}: format "${format}" is not raw, vhd or qcow2`;
  if (!within(access, "r", "w")) return `disk ${vdev}: access "${access}" is not r or w`;
  if (!within(devtype, "disk", "cdrom")) return `disk ${vdev}: devtype "${devtype}" is not disk or cdrom`;
  if (devtype === "cdrom" && access === "w") return `disk ${vdev}: a CD-ROM is only read`;
  return null;
}
