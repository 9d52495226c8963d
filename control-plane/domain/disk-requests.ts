/** What people ask of a running domain's disks. Each change takes its place in the domain's queue. */
import type { DiskConfig, DiskFormat, DomId } from "../api/types.js";
import { parseVdev } from "../api/vdev.js";
import { err, ok } from "../util/index.js";
import { checkDisk, DomainDisk } from "./disks.js";
import type { DomainRecord } from "./record.js";
import type { Toolstack, ToolstackResult } from "./toolstack.js";

export async function attachDisk(
  toolstack: Toolstack,
  domid: DomId,
  config: DiskConfig,
): Promise<ToolstackResult<void>> {
  const wrong = checkDisk(config);
  if (wrong !== null) return err("bad-config", wrong);
  return toolstack.withDomain(domid, async (record) => {
    if (record.outcome) return err("bad-state", `domain ${domid} has shut down`);
    const vdev = parseVdev(config.vdev)!;
    const other = record.disks.get(vdev.id);
    if (other)
      return err("name-taken", `domain ${domid} has a disk ${vdev.name}: ${other.config.target || "an empty drive"}`);
    const disk = await DomainDisk.open(toolstack.context.disks, record, config);
    if (!disk.ok) return disk;
    record.disks.set(vdev.id, disk.value);
    disk.value.start();
    toolstack.notifyChanged(domid);
    return ok(undefined);
  });
}

/** Waits for the guest outside of the queue: meanwhile the domain may be destroyed, or asked for something else. */
export async function detachDisk(
  toolstack: Toolstack,
  domid: DomId,
  vdev: string,
  force: boolean,
): Promise<ToolstackResult<void>> {
  const record = toolstack.find(domid);
  if (!record.ok) return record;
  const disk = findDisk(record.value, vdev);
  if (!disk.ok) return disk;
  if (!force && !record.value.outcome && !(await disk.value.release())) {
    return err(
      "bad-state",
      `the guest has not let go of ${disk.value.vdev.name}: unmount it there and try again, or take it away with --force`,
    );
  }
  return toolstack.withDomain(domid, async (current) => {
    if (current.disks.get(disk.value.vdev.id) !== disk.value) return ok(undefined);
    current.disks.delete(disk.value.vdev.id);
    const closed = await disk.value.close();
    disk.value.removeKeys();
    toolstack.notifyChanged(domid);
    return closed;
  });
}

export async function changeMedium(
  toolstack: Toolstack,
  domid: DomId,
  vdev: string,
  target: string | null,
  format: DiskFormat | undefined,
): Promise<ToolstackResult<void>> {
  return toolstack.withDomain(domid, async (record) => {
    const disk = findDisk(record, vdev);
    if (!disk.ok) return disk;
    if (disk.value.config.devtype !== "cdrom") {
      return err("bad-config", `${disk.value.vdev.name} is no CD-ROM drive: detach it and attach another disk`);
    }
    const changed = await disk.value.changeMedium(target ?? "", target === null ? undefined : format);
    toolstack.notifyChanged(domid);
    return changed;
  });
}

function findDisk(record: DomainRecord, vdev: string): ToolstackResult<DomainDisk> {
  const wanted = parseVdev(vdev);
  const disk = wanted === null ? undefined : record.disks.get(wanted.id);
  if (disk) return ok(disk);
  const names = [...record.disks.values()].map((known) => known.vdev.name);
  const known = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
  return err("not-found", `domain ${record.domid} has no disk "${vdev}": ${known}`);
}
