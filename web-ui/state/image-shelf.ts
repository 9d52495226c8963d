/**
 * The images of this browser, who uses them and how much room there is. What is shown comes from a full look, made when
 * something was done and, while somebody watches, after Domain0's events.
 */
import type { DiskInfo, DomId, HostApi, ImageNode } from "../../control-plane/api/index.js";
import { PageError, partsOf, sentence } from "./errors.js";
import { formatBytes } from "./format.js";
import { allImages } from "./image-names.js";
import { Looks } from "./looks.js";
import { Store } from "./store.js";

/** Of navigator.storage; null where the browser has none. */
export type StorageRoom = Pick<StorageManager, "estimate" | "persist" | "persisted">;

/** A disk of a domain that an image is in. */
export interface ImageUse {
  readonly domid: DomId;
  readonly domain: string;
  readonly vdev: string;
  /** Whether the guest writes to this very image: only the top of a chain can be. */
  readonly writes: boolean;
}

export interface ShelfRoom {
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** Whether the browser keeps the images until somebody clears them. */
  readonly persistent: boolean;
}

export interface ShelfSnapshot {
  /** Null before the first look. */
  readonly trees: readonly ImageNode[] | null;
  readonly uses: ReadonlyMap<string, readonly ImageUse[]>;
  readonly room: ShelfRoom | null;
}

const EMPTY: ShelfSnapshot = { trees: null, uses: new Map(), room: null };

export interface ShelfParts {
  readonly host: HostApi;
  readonly storage: StorageRoom | null;
  /** Whether this browser has what images are kept in. */
  readonly available: boolean;
}

export class ImageShelf {
  readonly snapshot = new Store<ShelfSnapshot>(EMPTY);
  readonly available: boolean;
  private readonly looks = new Looks(() => this.lookOnce());
  private askedToPersist = false;

  constructor(private readonly parts: ShelfParts) {
    this.available = parts.available;
  }

  get trees(): readonly ImageNode[] {
    return this.snapshot.get().trees ?? [];
  }

  get names(): ReadonlySet<string> {
    return new Set(allImages(this.trees).map(({ name }) => name));
  }

  usesOf(name: string): readonly ImageUse[] {
    return this.snapshot.get().uses.get(name) ?? [];
  }

  look(): Promise<void> {
    return this.available ? this.looks.look() : Promise.resolve();
  }

  private async lookOnce(): Promise<void> {
    const [trees, uses, room] = await Promise.all([
      this.parts.host.image("tree"),
      this.lookAtUses(),
      this.lookAtRoom(),
    ]);
    const next = { trees, uses, room };
    // Who looks again and again is not disturbed by what stayed the same.
    if (textOf(next) !== textOf(this.snapshot.get())) this.snapshot.set(next);
  }

  private async lookAtUses(): Promise<ReadonlyMap<string, readonly ImageUse[]>> {
    const { host } = this.parts;
    const uses = new Map<string, ImageUse[]>();
    for (const { domid, name: domain } of await host.list()) {
      // The domain may be gone by now.
      const disks = await host.disks(domid).catch((): DiskInfo[] => []);
      for (const { chain, vdev, readOnly } of disks) {
        chain.forEach((image, depth) => {
          const use = { domid, domain, vdev, writes: depth === 0 && !readOnly };
          uses.set(image, [...(uses.get(image) ?? []), use]);
        });
      }
    }
    return uses;
  }

  private async lookAtRoom(): Promise<ShelfRoom | null> {
    const { storage } = this.parts;
    if (storage === null) return null;
    try {
      const [{ usage = 0, quota = 0 }, persistent] = await Promise.all([storage.estimate(), storage.persisted()]);
      return { usedBytes: usage, quotaBytes: quota, persistent };
    } catch {
      return null;
    }
  }

  /** Asks the browser, once, to keep what is stored here. Some ask the person in turn. */
  async persist(): Promise<void> {
    const { storage } = this.parts;
    if (this.askedToPersist || storage === null || this.snapshot.get().room?.persistent) return;
    this.askedToPersist = true;
    await storage.persist().catch(() => false);
  }

  /** Fails when so many more bytes cannot fit. */
  requireRoom(bytes: number): void {
    const { room } = this.snapshot.get();
    const free = room === null || room.quotaBytes === 0 ? Number.POSITIVE_INFINITY : room.quotaBytes - room.usedBytes;
    if (bytes <= free) return;
    throw new PageError(
      "There is no room for this",
      `${formatBytes(bytes)} are needed, and this browser gives the site ${formatBytes(Math.max(0, free))} more.`,
      "Remove images that are no longer needed, or free space on this computer’s disk.",
    );
  }
}

const textOf = ({ trees, uses, room }: ShelfSnapshot): string => JSON.stringify([trees, [...uses], room]);

/** A failure of an image operation: what was tried, what Domain0 said, and its next step or one of ours. */
export function imageFailure(tried: string, error: unknown): PageError {
  if (error instanceof PageError) return error;
  const { detail, next } = partsOf(error);
  const code = (error as { code?: unknown } | null)?.code;
  const told = next ?? NEXT_STEPS[String(code)] ?? "check the image, and try again";
  return new PageError(`${tried} failed`, detail, sentence(told));
}

const NEXT_STEPS: Readonly<Record<string, string>> = {
  "name-taken": "choose another name",
  "not-found": "look at the list again: it may have been removed meanwhile",
  "bad-state": "detach the disk from the domain that uses it, or wait for what is under way",
  unsupported: "convert the image, or use another browser",
  internal: "reload the page; if it happens again, check the image",
};
