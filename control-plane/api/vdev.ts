/**
 * Names of a guest's disks and the numbers that they stand for: `xvda`, `d0p1`, `hda`, `sda1`, or the number itself.
 * [XEN] docs/man/xen-vbd-interface.7
 *
 *   xvd, few     202 << 8 | disk << 4 | partition       disks and partitions up to 15
 *   xvd, many    1 << 28  | disk << 8 | partition       disks below 2^20, partitions below 256
 *   sd           8 << 8   | disk << 4 | partition
 *   hd           3 << 8 (a, b) or 22 << 8 (c, d) | (disk & 1) << 6 | partition
 */

export interface Vdev {
  /** What the guest and xenstore call it. */
  readonly id: number;
  /** As people call it. */
  readonly name: string;
}

const XVD_MAJOR = 202;
const SD_MAJOR = 8;
const HD_MAJORS = [3, 22] as const;
const EXTENDED = 1 << 28;
const FEW = 16;
const MANY_DISKS = 1 << 20;
const MANY_PARTITIONS = 256;
const HD_DISKS = 4;
const HD_PARTITIONS = 64;

/** The disk that a name means; null when it means none. */
export function parseVdev(text: string): Vdev | null {
  const id = /^(0x[0-9a-f]+|[1-9]\d*)$/i.test(text) ? Number(text) : numberOf(text);
  return id === null || id > 0xffff_ffff ? null : { id, name: vdevName(id) };
}

function numberOf(text: string): number | null {
  const numbered = /^d(\d{1,7})(?:p(\d{1,3}))?$/.exec(text);
  if (numbered !== null) return xvd(Number(numbered[1]), Number(numbered[2] ?? 0));
  const lettered = /^(xvd|hd|sd)([a-z]{1,5})(\d{0,3})$/.exec(text);
  if (lettered === null) return null;
  const [, kind, letters, digits] = lettered;
  const disk = diskOf(letters!);
  const partition = Number(digits);
  if (kind === "xvd") return xvd(disk, partition);
  if (kind === "sd") return disk < FEW && partition < FEW ? (SD_MAJOR << 8) | (disk << 4) | partition : null;
  if (disk >= HD_DISKS || partition >= HD_PARTITIONS) return null;
  return (HD_MAJORS[disk >> 1]! << 8) | ((disk & 1) << 6) | partition;
}

function xvd(disk: number, partition: number): number | null {
  if (disk >= MANY_DISKS || partition >= MANY_PARTITIONS) return null;
  if (disk < FEW && partition < FEW) return (XVD_MAJOR << 8) | (disk << 4) | partition;
  return EXTENDED | (disk << 8) | partition;
}

/** a is 0, z 25, aa 26. */
function diskOf(letters: string): number {
  let disk = 0;
  for (const letter of letters) disk = disk * 26 + (letter.charCodeAt(0) - 96);
  return disk - 1;
}

function lettersOf(disk: number): string {
  let letters = "";
  for (let rest = disk; rest >= 0; rest = Math.floor(rest / 26) - 1) {
    letters = String.fromCharCode(97 + (rest % 26)) + letters;
  }
  return letters;
}

/** The name of a number; the number itself when it has none. */
export function vdevName(id: number): string {
  const name = (kind: string, disk: number, partition: number): string =>
    `${kind}${lettersOf(disk)}${partition === 0 ? "" : partition}`;
  if (id >= EXTENDED && id < 2 * EXTENDED) return name("xvd", (id & (EXTENDED - 1)) >> 8, id & 0xff);
  const minor = id & 0xff;
  if (id >> 8 === XVD_MAJOR) return name("xvd", minor >> 4, minor & 15);
  if (id >> 8 === SD_MAJOR) return name("sd", minor >> 4, minor & 15);
  const pair = HD_MAJORS.findIndex((major) => major === id >>> 8);
  return pair < 0 ? String(id) : name("hd", pair * 2 + (minor >> 6), minor & 63);
}
