/**
 * Intents: what an operation on several files is about to do, patches first and renames after, written down durably before it begins. Whoever finds one
 * later, after a crash, does it again from the beginning; every step can be done twice. The note is kept open while the
 * work goes on, so that nobody mistakes it for one left behind.
 */
import { crc32, decodeUtf8, encodeUtf8 } from "../formats/index.js";
import { StorageError } from "./errors.js";
import type { Folder, ImageFile } from "./image-file.js";

export type Step =
  /** Bytes, in hexadecimal, that a file gets at an offset; done already when there is no such file. */
  | { readonly kind: "patch"; readonly file: string; readonly at: number; readonly hex: string }
  /** A new end for a file; after all patches. */
  | { readonly kind: "cut"; readonly file: string; readonly size: number }
  /** When a file was changed last, as those say that stand on it; after all that changes it. */
  | { readonly kind: "stamp"; readonly file: string; readonly modifiedMs: number }
  /** To a name that was free before: done already when it is taken, or when there is no `from`. */
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  /** In place of the file of that name: done already when there is no `from`. */
  | { readonly kind: "replace"; readonly from: string; readonly to: string };

export const INTENT_ENDING = ".intent~";
/** Of the note that a merge into an image keeps. */
export const MERGE_ENDING = `.merge${INTENT_ENDING}`;
/** What no editor calls what it keeps of a person's file: what is left of these is removed. */
const NEW_ENDING = ".image-new~";

/** Names of files that are not images but on the way to be, or notes. */
export const isOwnName = (name: string): boolean => name.endsWith("~");

/** An image of such a name would be taken for a note, or thrown away. */
export function refuseOwnName(name: string): void {
  if (!isOwnName(name)) return;
  const what = "names that end in ~ are of operations under way";
  throw new StorageError("bad-name", what, { file: name, next: "choose another" });
}

/** Whether a name is the host's path of a file of another folder. */
export const isElsewhere = (name: string): boolean => /^([a-z]:)?[\\/]/i.test(name);

const CACHE_BEGINNING = "cache-";

/** The name of what is kept of an image across the network. */
export const cacheName = (uniqueId: string): string => `${CACHE_BEGINNING}${uniqueId}~`;
export const isCacheName = (name: string): boolean => name.startsWith(CACHE_BEGINNING) && isOwnName(name);

/** The name under which the next file of a name is made. */
export const newName = (name: string): string => name + NEW_ENDING;

/** Creates the file that will take a name; what a crash left there before is thrown away. */
export async function createNew(folder: Folder, name: string): Promise<ImageFile> {
  if (await folder.exists(newName(name))) await folder.remove(newName(name));
  return folder.create(newName(name));
}

const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}

export const patch = (file: string, at: number, bytes: Uint8Array): Step => ({
  kind: "patch",
  file,
  at,
  hex: toHex(bytes),
});

/** The time of a file that is about to change, and of its disk nothing that others see. */
export const stamp = (file: string, modifiedMs: number): Step => ({ kind: "stamp", file, modifiedMs });

/** A note in its file, open. */
export class Intent {
  private constructor(
    private readonly folder: Folder,
    private readonly file: ImageFile,
    private readonly steps: readonly Step[],
  ) {}

  /** Writes down what the image `owner` is about to go through. From here on it will happen. */
  static async write(folder: Folder, owner: string, steps: readonly Step[]): Promise<Intent> {
    const name = owner + INTENT_ENDING;
    if (await folder.exists(name)) {
      const next = "recover the folder";
      throw new StorageError("in-use", "an operation on the image was not finished", { file: owner, next });
    }
    const file = await folder.create(name);
    const intent = new Intent(folder, file, steps);
    const text = JSON.stringify(steps);
    try {
      file.write(0, [encodeUtf8(`${crc32(encodeUtf8(text))}\n${text}`)]);
      await file.sync();
    } catch (error) {
      // Nothing has begun, and nobody is to find what may have been written of it.
      await intent.forget();
      throw error;
    }
    return intent;
  }

  /**
   * Writes down, before an image is merged into, when it was changed last: those that stand on it say so, and a crash in the
   * middle of a merge leaves it as it was to them. One that an earlier merge left is as good. Null for an image of another
   * folder: who recovers that one knows no way there.
   */
  static async ofMerge(folder: Folder, { name, modifiedMs }: ImageFile): Promise<Intent | null> {
    if (isElsewhere(name)) return null;
    const note = name + MERGE_ENDING;
    const left = (await folder.exists(note)) ? await Intent.find(folder, note) : null;
    return left ?? Intent.write(folder, note.slice(0, -INTENT_ENDING.length), [stamp(name, modifiedMs)]);
  }

  /** A note that was left behind, with its lock; null when it was never whole. */
  static async find(folder: Folder, name: string): Promise<Intent | null> {
    const file = await folder.open(name, "write");
    try {
      const steps = await readSteps(file);
      if (steps !== null) return new Intent(folder, file, steps);
      await file.close();
      await folder.remove(name);
      return null;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Does it, and forgets the note; what fails is left for whoever recovers the folder. `open` are files to patch that the
   * caller has open.
   */
  async apply(open: readonly ImageFile[] = []): Promise<void> {
    try {
      await this.applyPatches(open);
      await this.applyRenames();
      await this.forget();
    } catch (error) {
      await this.leave();
      throw error;
    }
  }

  /** Does the renames. When that fails it can be tried again. */
  async applyRenames(): Promise<void> {
    for (const step of this.steps) if (step.kind === "rename" || step.kind === "replace") await move(this.folder, step);
  }

  /** Does what comes before the renames. */
  async applyPatches(open: readonly ImageFile[]): Promise<void> {
    const names = this.steps.flatMap((step) => ("file" in step ? [step.file] : []));
    for (const name of new Set(names)) {
      const mine = open.find((file) => file.name === name);
      if (mine === undefined && !(await this.folder.exists(name))) continue;
      const file = mine ?? (await this.folder.open(name, "write"));
      try {
        await change(file, this.steps);
      } finally {
        if (mine === undefined) await file.close();
      }
    }
  }

  /**
   * Does what comes before the renames, all of it in one file. When that fails `undo` puts back what was, and the note is
   * forgotten: whoever goes on in the file has what is in memory, and nobody may do the rest later.
   */
  async applyOrUndo(file: ImageFile, undo: () => void): Promise<void> {
    try {
      await this.applyPatches([file]);
    } catch (error) {
      try {
        undo();
        await file.sync();
      } finally {
        await this.forget();
      }
      throw error;
    }
  }

  async forget(): Promise<void> {
    const { name } = this.file;
    await this.file.close();
    if (await this.folder.exists(name)) await this.folder.remove(name);
  }

  /** Leaves the note for whoever recovers the folder. */
  async leave(): Promise<void> {
    await this.file.close();
  }
}

async function readSteps(file: ImageFile): Promise<readonly Step[] | null> {
  const bytes = new Uint8Array(file.size);
  if (bytes.length > 0) await file.read(0, [bytes]);
  const text = decodeUtf8(bytes);
  const line = text.indexOf("\n");
  const body = text.slice(line + 1);
  if (line < 0 || Number(text.slice(0, line)) !== crc32(encodeUtf8(body))) return null;
  let steps: unknown;
  try {
    steps = JSON.parse(body);
  } catch {
    return null;
  }
  return Array.isArray(steps) && steps.every(isStep) ? steps : null;
}

/** Files come from anywhere: what has our ending and checksum need not be ours. */
function isStep(value: unknown): value is Step {
  const { kind, file, at, hex, size, modifiedMs, from, to } = (value ?? {}) as Record<string, unknown>;
  const isPlace = (place: unknown): boolean => Number.isSafeInteger(place) && (place as number) >= 0;
  if (kind === "rename" || kind === "replace") return typeof from === "string" && typeof to === "string";
  if (typeof file !== "string") return false;
  if (kind === "patch") return isPlace(at) && typeof hex === "string" && /^([0-9a-f]{2})*$/.test(hex);
  return kind === "cut" ? isPlace(size) : kind === "stamp" && Number.isFinite(modifiedMs);
}

async function change(file: ImageFile, steps: readonly Step[]): Promise<void> {
  for (const step of steps)
    if (step.kind === "patch" && step.file === file.name) file.write(step.at, [fromHex(step.hex)]);
  await file.sync();
  for (const step of steps) {
    if (step.kind !== "cut" || step.file !== file.name) continue;
    file.truncate(step.size);
    await file.sync();
  }
  for (const step of steps) if (step.kind === "stamp" && step.file === file.name) file.setModified(step.modifiedMs);
}

async function move(folder: Folder, step: Step & { readonly kind: "rename" | "replace" }): Promise<void> {
  if (!(await folder.exists(step.from))) return;
  if (step.kind === "rename" && (await folder.exists(step.to))) return;
  await folder.rename(step.from, step.to);
}

/**
 * Somebody else is at it; or it is about files of folders that are not reached from here, or that may only be read, and stays
 * for who can.
 */
const OF_OTHERS: ReadonlySet<string> = new Set(["locked", "not-found", "bad-name", "read-only", "denied"]);

/** An image that an operation was interrupted at, and that may be half of what it was to become, is not to be read. */
export async function refuseInterrupted(folder: Folder, name: string): Promise<void> {
  if (isElsewhere(name) || !(await folder.exists(name + INTENT_ENDING))) return;
  const next = "open its folder where it may be written to, which finishes the operation";
  throw new StorageError("in-use", "an operation on the image was not finished", { file: name, next });
}

/** Finishes what was written down and then interrupted, and nobody is at. Answers the images that were finished. */
export async function finishIntents(folder: Folder): Promise<string[]> {
  const finished: string[] = [];
  for (const { name } of await folder.list()) {
    if (!name.endsWith(INTENT_ENDING)) continue;
    try {
      const intent = await Intent.find(folder, name);
      if (intent === null) continue;
      await intent.apply();
      finished.push(name.slice(0, -INTENT_ENDING.length));
    } catch (error) {
      if (!(error instanceof StorageError) || !OF_OTHERS.has(error.code)) throw error;
    }
  }
  return finished;
}

/** Finishes what crashes interrupted, and removes what never began. Answers the images that were finished. */
export async function recoverFolder(folder: Folder): Promise<string[]> {
  const finished = await finishIntents(folder);
  for (const { name } of await folder.list()) {
    if (!name.endsWith(NEW_ENDING)) continue;
    if (await folder.exists(name.slice(0, -NEW_ENDING.length) + INTENT_ENDING)) continue;
    await folder.remove(name).catch((error: unknown) => {
      if (!(error instanceof StorageError)) throw error;
    });
  }
  return finished;
}
