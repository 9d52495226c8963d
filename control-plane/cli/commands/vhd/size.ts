/** Sizes of disks as people write them. */
import { usageError } from "../../errors.js";

const UNITS = "KMGT";
const SECTOR = 512;

/** MiB, or with a letter; in bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT])?(?:i?B)?$/i.exec(text);
  const unit = match?.[2]?.toUpperCase() ?? "M";
  const bytes = match === null ? Number.NaN : Number(match[1]) * 1024 ** (UNITS.indexOf(unit) + 1);
  const whole = Math.round(bytes / SECTOR) * SECTOR;
  if (whole > 0 && whole <= Number.MAX_SAFE_INTEGER) return whole;
  throw usageError(`"${text}" is no size: expected MiB, or a number with K, M, G or T, as 20G`);
}

/** Short, for people: two digits behind the point at most, and exact where that is enough. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = Number(value.toFixed(2)).toString();
  return unit < 0 ? `${bytes} B` : `${digits} ${UNITS[unit]}iB`;
}
