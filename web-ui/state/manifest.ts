/**
 * The default guests as the web server offers them: guest/<name>/manifest.json. A static host keeps the file beside
 * the two images; the playground server answers "preparing" with its progress until they are there. Urls in it are
 * relative to the manifest. The file comes from the network, so it is checked.
 */
import { PageError } from "./errors.js";

export interface GuestImage {
  readonly url: string;
  readonly sizeBytes: number;
}

export interface ReadyGuest {
  readonly state: "ready";
  readonly name: string;
  readonly title: string;
  readonly kernel: GuestImage;
  readonly initramfs: GuestImage | null;
  readonly cmdline: string;
  /** Set when this is not the guest that was asked for: what it is and what to do. */
  readonly notice: string | null;
}

export interface PreparingGuest {
  readonly state: "preparing";
  readonly step: string;
  readonly doneBytes: number;
  readonly totalBytes: number | null;
}

export interface FailedGuest {
  readonly state: "failed";
  readonly message: string;
}

export type GuestManifest = ReadyGuest | PreparingGuest | FailedGuest;

/** Checks a manifest; images' addresses become absolute against `manifestUrl`. Null when it is not a manifest. */
export function parseManifest(raw: unknown, manifestUrl: string): GuestManifest | null {
  if (!isRecord(raw)) return null;
  if (raw.state === "failed") return { state: "failed", message: text(raw.message) ?? "No reason was given." };
  if (raw.state === "preparing") {
    return {
      state: "preparing",
      step: text(raw.step) ?? "Preparing the guest",
      doneBytes: count(raw.doneBytes) ?? 0,
      totalBytes: count(raw.totalBytes),
    };
  }
  const kernel = parseImage(raw.kernel, manifestUrl);
  if (raw.state !== "ready" || !kernel) return null;
  return {
    state: "ready",
    name: text(raw.name) ?? "guest",
    title: text(raw.title) ?? "Guest",
    kernel,
    initramfs: parseImage(raw.initramfs, manifestUrl),
    cmdline: text(raw.cmdline) ?? "",
    notice: text(raw.notice),
  };
}

function parseImage(raw: unknown, manifestUrl: string): GuestImage | null {
  const url = isRecord(raw) ? text(raw.url) : null;
  if (!isRecord(raw) || !url) return null;
  try {
    return { url: new URL(url, manifestUrl).href, sizeBytes: count(raw.sizeBytes) ?? 0 };
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function count(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

export type Fetch = (url: string, init?: { signal?: AbortSignal }) => Promise<Response>;

const POLL_MS = 400;

/** Asks for guest `name` until it is ready; `onPreparing` hears of the server's progress meanwhile. */
export async function awaitGuest(
  base: string,
  name: string,
  fetcher: Fetch,
  onPreparing: (progress: PreparingGuest) => void,
  signal?: AbortSignal,
): Promise<ReadyGuest> {
  const url = new URL(`guest/${encodeURIComponent(name)}/manifest.json`, base).href;
  for (;;) {
    const manifest = await readManifest(url, fetcher, signal);
    if (manifest.state === "ready") return manifest;
    if (manifest.state === "failed") {
      throw new PageError(
        "The guest could not be prepared",
        manifest.message,
        "Correct that and boot again, or boot a kernel of your own.",
      );
    }
    onPreparing(manifest);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    signal?.throwIfAborted();
  }
}

async function readManifest(url: string, fetcher: Fetch, signal?: AbortSignal): Promise<GuestManifest> {
  const absent = (detail: string) =>
    new PageError(
      "This server has no guest to boot",
      detail,
      "Serve the page with `npm start`, which prepares Debian, or boot a kernel of your own.",
    );
  let manifest: GuestManifest | null = null;
  try {
    const response = await fetcher(url, signal ? { signal } : {});
    if (!response.ok) throw absent(`${url} answered ${response.status}.`);
    manifest = parseManifest(await response.json(), url);
  } catch (error) {
    if (error instanceof PageError || signal?.aborted) throw error;
    throw absent(`${url} could not be read.`);
  }
  if (!manifest) throw absent(`${url} is not a guest manifest.`);
  return manifest;
}
