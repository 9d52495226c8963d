/** The disks of a configuration, each a text of xl-disk-configuration(5), with the place of every mistake in it. */
import { type DiskConfig, parseDiskSpec, parseVdev } from "../../api/index.js";
import type { Cfg, CfgValue, Setting, StringValue } from "../cfg/index.js";
import type { SettingReader } from "./reader.js";

export function readDisks(cfg: Cfg, reader: SettingReader): DiskConfig[] | undefined {
  const setting = cfg.get("disk");
  if (setting === undefined) return undefined;
  const items: readonly CfgValue[] = setting.value.kind === "list" ? setting.value.items : [setting.value];
  const disks: DiskConfig[] = [];
  const names = new Map<number, string>();
  for (const item of items) {
    if (item.kind !== "string") {
      reader.complain({ ...setting, value: item }, 'expected a text in quotes, as in "disk.vhd,vhd,xvda,w"');
      continue;
    }
    const disk = readDisk(item, setting, reader);
    if (disk === null) continue;
    const { id, name } = parseVdev(disk.vdev)!;
    if (names.has(id))
      reader.complain({ ...setting, value: item }, `${name} is there twice: give each disk its own name`);
    names.set(id, name);
    disks.push(disk);
  }
  return disks.length === 0 ? undefined : disks;
}

function readDisk(value: StringValue, setting: Setting, reader: SettingReader): DiskConfig | null {
  const result = parseDiskSpec(value.text);
  if (result.ok) return result.disk;
  const { offset, message } = result.fault;
  // Behind the quote; escapes before the place would move it, and have no use in a disk.
  const at = { ...value.at, column: value.at.column + 1 + offset };
  reader.complain({ ...setting, value: { ...value, at } }, message);
  return null;
}
