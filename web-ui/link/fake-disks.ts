/** Disks of the simulated domains: their images are real ones in memory, what guests do with them is not. */
import { type HostImages, memoryImages } from "../../control-plane/api/host-images.js";
import { type DiskConfig, type DiskInfo, type DomId, parseVdev } from "../../control-plane/api/index.js";

const CONNECTED = 4;

export class FakeDisks {
  readonly images: HostImages = memoryImages();
  private readonly disks = new Map<DomId, DiskInfo[]>();

  of(domid: DomId): DiskInfo[] {
    return this.disks.get(domid) ?? [];
  }

  /** Answers what is wrong, or null. */
  async attach(domid: DomId, config: DiskConfig): Promise<string | null> {
    const vdev = parseVdev(config.vdev);
    if (vdev === null) return `vdev "${config.vdev}" names no disk`;
    if (this.of(domid).some(({ id }) => id === vdev.id)) return `domain ${domid} has a disk ${vdev.name}`;
    const sizeBytes = config.target === "" ? 0 : (await this.images.image("info", config.target)).sizeBytes;
    const info: DiskInfo = {
      config,
      id: vdev.id,
      vdev: vdev.name,
      state: CONNECTED,
      sizeBytes,
      readOnly: config.access === "r" || config.devtype === "cdrom",
      chain: [config.target],
      backendPath: `/local/domain/0/backend/vbd/${domid}/${vdev.id}`,
      counters: { reads: 12, writes: 3, readSectors: 2048, writtenSectors: 24 },
    };
    this.disks.set(domid, [...this.of(domid), info]);
    return null;
  }

  detach(domid: DomId, vdev: string): void {
    this.disks.set(
      domid,
      this.of(domid).filter((disk) => disk.vdev !== vdev),
    );
  }

  changeMedium(domid: DomId, vdev: string, target: string): void {
    const changed = this.of(domid).map((disk) =>
      disk.vdev === vdev ? { ...disk, config: { ...disk.config, target }, chain: [target] } : disk,
    );
    this.disks.set(domid, changed);
  }

  forget(domid: DomId): void {
    this.disks.delete(domid);
  }
}
