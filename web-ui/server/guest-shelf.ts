/**
 * The guests a playground offers, each prepared once, when first asked for. While one is being prepared its manifest
 * says so with the progress; when it cannot be, the embedded guest stands in and its manifest says why.
 * The manifest's form is web-ui/state/manifest.ts's.
 */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { GuestImage, GuestResult, OnProgress, Progress } from "../../control-plane/guest/index.js";

export const SHELF = ["cloud", "full"] as const;
export type ShelfName = (typeof SHELF)[number];

/** A guest as files. */
export interface GuestFiles {
  readonly name: string;
  readonly title: string;
  readonly kernel: string;
  readonly initramfs: string | null;
  readonly cmdline: string;
  /** Set when this stands in for the guest that was asked for. */
  readonly notice: string | null;
}

export interface ShelfSources {
  prepare(flavour: ShelfName, onProgress: OnProgress): Promise<GuestResult<GuestImage>>;
  /** The project's own guest; null where this build has none. */
  embedded(): Promise<Omit<GuestFiles, "notice"> | null>;
  /** Preparation of a guest as it goes, for the terminal. */
  onProgress: OnProgress;
  onSettled(name: ShelfName, outcome: Outcome): void;
}

export type Outcome =
  | { readonly ok: true; readonly guest: GuestFiles }
  | { readonly ok: false; readonly message: string };

const STEP_TEXTS: Readonly<Record<Progress["phase"], string>> = {
  index: "Reading Debian’s package index",
  download: "Downloading Debian’s packages",
  unpack: "Unpacking the packages",
  build: "Building the initramfs",
};

interface Entry {
  progress: Progress;
  outcome: Outcome | null;
  readonly settled: Promise<Outcome>;
}

export class GuestShelf {
  private readonly entries = new Map<ShelfName, Entry>();

  constructor(private readonly sources: ShelfSources) {}

  /** Starts preparing a guest unless that has begun; resolves with what came of it. */
  request(name: ShelfName): Promise<Outcome> {
    return this.entry(name).settled;
  }

  /** The manifest as it is now; asking for it starts the preparation. */
  async manifest(name: ShelfName): Promise<object> {
    const { outcome, progress } = this.entry(name);
    // Told once: the next request tries again, since the network may be back.
    if (outcome && !outcome.ok) this.entries.delete(name);
    if (!outcome) {
      return {
        state: "preparing",
        step: STEP_TEXTS[progress.phase],
        doneBytes: progress.total > 0 ? progress.done : 0,
        totalBytes: progress.total > 0 ? progress.total : null,
      };
    }
    if (!outcome.ok) return { state: "failed", message: outcome.message };
    const { guest } = outcome;
    const image = async (path: string) => ({
      url: encodeURIComponent(basename(path)),
      sizeBytes: (await stat(path)).size,
    });
    return {
      state: "ready",
      name: guest.name,
      title: guest.title,
      kernel: await image(guest.kernel),
      initramfs: guest.initramfs ? await image(guest.initramfs) : null,
      cmdline: guest.cmdline,
      notice: guest.notice,
    };
  }

  /** The path of one of a prepared guest's two files. */
  file(name: ShelfName, fileName: string): string | null {
    const outcome = this.entries.get(name)?.outcome;
    if (!outcome?.ok) return null;
    const { kernel, initramfs } = outcome.guest;
    return [kernel, initramfs].find((path) => path !== null && basename(path) === fileName) ?? null;
  }

  private entry(name: ShelfName): Entry {
    const known = this.entries.get(name);
    if (known) return known;
    const entry: Entry = {
      progress: { phase: "index", done: 0, total: 0 },
      outcome: null,
      settled: this.prepare(name),
    };
    this.entries.set(name, entry);
    void entry.settled.then((outcome) => {
      entry.outcome = outcome;
      this.sources.onSettled(name, outcome);
    });
    return entry;
  }

  private async prepare(name: ShelfName): Promise<Outcome> {
    const prepared = await this.sources.prepare(name, (progress) => {
      const entry = this.entries.get(name);
      if (entry) entry.progress = progress;
      this.sources.onProgress(progress);
    });
    if (prepared.ok) {
      const { kernel, initramfs, cmdline, manifest } = prepared.value;
      const title = `Debian, Linux ${manifest.release}`;
      return { ok: true, guest: { name: prepared.value.name, title, kernel, initramfs, cmdline, notice: null } };
    }
    const reason = prepared.error.message.replace(/[.\s]*$/, ".");
    const embedded = await this.sources.embedded();
    if (!embedded) return { ok: false, message: reason };
    const notice = `Debian could not be prepared: ${reason} This is Xenolith’s own small guest instead.`;
    return { ok: true, guest: { ...embedded, notice } };
  }
}
