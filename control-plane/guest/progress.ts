// Progress of a long preparation: the report that the recipe gives, and a one-line bar on a terminal for it.

/** What is being done; `total` is 0 while it is unknown. */
export interface Progress {
  readonly phase: "index" | "download" | "unpack" | "build";
  readonly done: number;
  readonly total: number;
}

export type OnProgress = (progress: Progress) => void;

const LABELS: Record<Progress["phase"], string> = {
  index: "Reading the package index",
  download: "Downloading Debian's packages",
  unpack: "Unpacking",
  build: "Building the initramfs",
};
const BAR_WIDTH = 28;
const REDRAW_MS = 60;

/** A progress bar for `stream`; on anything but a terminal it prints one line per phase. */
export function progressBar(stream: NodeJS.WriteStream): { report: OnProgress; finish: () => void } {
  let phase = "";
  let lastDrawMs = 0;
  const report: OnProgress = (progress) => {
    const isNew = progress.phase !== phase;
    phase = progress.phase;
    const label = LABELS[progress.phase];
    if (!stream.isTTY) {
      if (isNew) stream.write(`${label} ...\n`);
      return;
    }
    const now = performance.now();
    if (!isNew && now - lastDrawMs < REDRAW_MS && progress.done !== progress.total) return;
    lastDrawMs = now;
    stream.write(`\r\x1b[K${label}${progress.total > 0 ? drawBar(progress) : " ..."}`);
  };
  return { report, finish: () => void (stream.isTTY && phase !== "" && stream.write("\r\x1b[K")) };
}

function drawBar({ done, total }: Progress): string {
  const share = Math.min(1, done / total);
  const filled = Math.round(share * BAR_WIDTH);
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  return ` [${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}] ${mebibytes(done)} of ${mebibytes(total)} MiB`;
}
