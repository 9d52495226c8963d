/**
 * Downloads with real progress: bytes as they arrive, the whole size where the server says it. The body is read in
 * chunks into one buffer of the right size when that size is known.
 */
import { PageError } from "./errors.js";
import type { Fetch } from "./manifest.js";

export interface DownloadProgress {
  readonly doneBytes: number;
  /** Null where the server does not tell, or sends the body compressed. */
  readonly totalBytes: number | null;
}

/** A kernel or initramfs above this is a mistake: it would not fit beside a machine in a tab. */
export const MAX_IMAGE_BYTES = 1 << 30;

export async function download(
  url: string,
  fetcher: Fetch,
  onProgress: (progress: DownloadProgress) => void,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const response = await open(url, fetcher, signal);
  const encoded = (response.headers.get("content-encoding") ?? "identity") !== "identity";
  const declared = Number(response.headers.get("content-length") ?? "");
  const totalBytes = !encoded && Number.isSafeInteger(declared) && declared > 0 ? declared : null;
  if ((totalBytes ?? 0) > MAX_IMAGE_BYTES) throw tooLarge(url);
  if (!response.body) return new Uint8Array(await response.arrayBuffer());
  const chunks: Uint8Array[] = [];
  const reader = response.body.getReader();
  let doneBytes = 0;
  onProgress({ doneBytes, totalBytes });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      doneBytes += value.length;
      if (doneBytes > MAX_IMAGE_BYTES) throw tooLarge(url);
      onProgress({ doneBytes, totalBytes });
    }
  } catch (error) {
    if (error instanceof PageError || signal?.aborted) throw error;
    throw interrupted(url);
  } finally {
    reader.cancel().catch(() => {});
  }
  if (totalBytes !== null && doneBytes !== totalBytes) throw interrupted(url);
  return concat(chunks, doneBytes);
}

async function open(url: string, fetcher: Fetch, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetcher(url, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new PageError(
      "The download did not start",
      `${url} could not be reached, or its server does not allow other pages to read it.`,
      "Check the address. On another host it must send Access-Control-Allow-Origin.",
    );
  }
  if (response.ok) return response;
  throw new PageError(
    "The download failed",
    `${url} answered ${response.status}.`,
    "Check the address and boot again.",
  );
}

function interrupted(url: string): PageError {
  return new PageError("The download broke off", `${url} ended early.`, "Check the connection and boot again.");
}

function tooLarge(url: string): PageError {
  return new PageError("The download is too large", `${url} is larger than 1 GiB.`, "Choose a smaller image.");
}

function concat(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const whole = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
