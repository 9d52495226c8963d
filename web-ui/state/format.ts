/** Numbers as the page shows them: binary units as xl and the kernel use, and short, stable widths for live figures. */

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** 14026295 -> "13.4 MiB". */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

export function formatKiB(kib: number): string {
  return formatBytes(kib * 1024);
}

/** 3725 -> "1:02:05"; 65 -> "1:05". */
export function formatUptime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86400);
  const h = Math.floor((whole % 86400) / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, "0");
  if (days > 0) return `${days} d ${h}:${String(m).padStart(2, "0")}:${s}`;
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** Seconds with one decimal, for what takes a moment: 2417 ms -> "2.4 s". */
export function formatSeconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
}

/** Percent of one processor: three significant places at most, never "-0". */
export function formatPercent(percent: number): string {
  const value = Math.max(0, percent);
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}
