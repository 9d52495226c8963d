/** How far a long operation is, on a terminal. */
type OnProgress = (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;

const REDRAW_MS = 100;

export async function progressLine(work: (onProgress: OnProgress) => Promise<void>): Promise<void> {
  const { stderr } = process;
  if (!stderr.isTTY) return work(() => {});
  let drawnAt = 0;
  try {
    await work(({ doneBytes, totalBytes }) => {
      const now = Date.now();
      if (now - drawnAt < REDRAW_MS) return;
      drawnAt = now;
      stderr.write(`\r${Math.floor((doneBytes / Math.max(1, totalBytes)) * 100)} %`);
    });
  } finally {
    if (drawnAt > 0) stderr.write("\r      \r");
  }
}
