/**
 * A large file to the person's disk without holding it in memory: written piece by piece where the browser lets a page
 * do so (File System Access), and else handed to the browser's own downloads, which read the stored file.
 */
import type { ImageJob } from "../../state/index.js";
import { h } from "../common/index.js";

export interface SaveTarget {
  /** Resolves true when the file is no longer read. */
  save(file: Blob, job: ImageJob): Promise<boolean>;
}

interface SavePicker {
  showSaveFilePicker?(options: { readonly suggestedName: string }): Promise<FileSystemFileHandle>;
}

/** Asks where to; null when the person thought better of it. To be called right after a click. */
export async function chooseTarget(name: string): Promise<SaveTarget | null> {
  const { showSaveFilePicker } = window as unknown as SavePicker;
  if (showSaveFilePicker === undefined) return download(name);
  try {
    const handle = await showSaveFilePicker.call(window, { suggestedName: name });
    return { save: (file, job) => writeTo(handle, file, job) };
  } catch (error) {
    if ((error as { name?: string }).name === "AbortError") return null;
    // Not in a frame of another site.
    return download(name);
  }
}

async function writeTo(handle: FileSystemFileHandle, file: Blob, job: ImageJob): Promise<boolean> {
  const to = await handle.createWritable();
  let doneBytes = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      doneBytes += chunk.length;
      job.show(doneBytes, file.size);
      controller.enqueue(chunk);
    },
  });
  await file.stream().pipeThrough(counted).pipeTo(to, { signal: job.signal });
  return true;
}

const REVOKE_AFTER_MS = 3_600_000;

function download(name: string): SaveTarget {
  return {
    save: async (file) => {
      const url = URL.createObjectURL(file);
      h("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER_MS);
      return false;
    },
  };
}
