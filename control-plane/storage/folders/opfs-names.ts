/**
 * The names of a folder in the browser's origin private file system. Files there have numbers, and a list says which name
 * is which: so a rename, also over another file and while files are open, is one change of that list. The list is kept
 * twice; a change writes the older copy, and a copy that was torn is told by its checksum.
 */
import { crc32, decodeUtf8, encodeUtf8 } from "../../formats/index.js";
import { StorageError, toStorageError } from "../errors.js";

export interface NameList {
  readonly generation: number;
  /** The number of the next file. */
  readonly next: number;
  readonly names: Readonly<Record<string, string>>;
}

/** The file of a name; names are anything, also what every object has. */
export const fileOf = ({ names }: NameList, name: string): string | undefined =>
  Object.hasOwn(names, name) ? names[name] : undefined;

const SLOTS = ["names-a", "names-b"] as const;
const NO_NAMES: NameList = { generation: 0, next: 1, names: {} };

export class NameStore {
  constructor(private readonly directory: FileSystemDirectoryHandle) {}

  /** Whether a file of the directory is one of these. */
  static isSlot(file: string): boolean {
    return (SLOTS as readonly string[]).includes(file);
  }

  async read(): Promise<NameList> {
    let best = NO_NAMES;
    for (const slot of await this.#readSlots()) if (slot !== null && slot.generation > best.generation) best = slot;
    return best;
  }

  /** Puts a list durably in the place of the older copy. Nobody else may change the names meanwhile. */
  async write(list: Omit<NameList, "generation">): Promise<NameList> {
    const slots = await this.#readSlots();
    const generations = slots.map((slot) => slot?.generation ?? 0);
    const older = generations[0]! <= generations[1]! ? 0 : 1;
    const next: NameList = { ...list, generation: Math.max(...generations) + 1 };
    const text = JSON.stringify(next);
    const bytes = encodeUtf8(`${crc32(encodeUtf8(text))}\n${text}`);
    try {
      await this.#fill(SLOTS[older]!, bytes);
    } catch (error) {
      throw toStorageError(error, "the list of names");
    }
    return next;
  }

  async #fill(slot: string, bytes: Uint8Array): Promise<void> {
    const handle = await accessHandle(await this.directory.getFileHandle(slot, { create: true }));
    try {
      handle.truncate(0);
      if (handle.write(bytes, { at: 0 }) !== bytes.length) {
        throw new StorageError("full", "the browser's quota for this site is used up", { file: "the list of names" });
      }
      handle.flush();
    } catch (error) {
      // It did not happen, and nobody is to find it.
      handle.truncate(0);
      throw error;
    } finally {
      handle.close();
    }
  }

  #readSlots(): Promise<(NameList | null)[]> {
    return Promise.all(SLOTS.map((name) => this.#readSlot(name)));
  }

  async #readSlot(name: string): Promise<NameList | null> {
    let text: string;
    try {
      const file = await (await this.directory.getFileHandle(name)).getFile();
      text = decodeUtf8(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      if ((error as { name?: string }).name === "NotFoundError") return null;
      throw error;
    }
    const line = text.indexOf("\n");
    const body = text.slice(line + 1);
    return line > 0 && Number(text.slice(0, line)) === crc32(encodeUtf8(body)) ? (JSON.parse(body) as NameList) : null;
  }
}

/**
 * FileSystemSyncAccessHandle, as far as it is used: what a page imports is checked with the page's types, which lack what
 * only workers have.
 */
export interface AccessHandle {
  read(into: Uint8Array, options: { readonly at: number }): number;
  write(from: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** A handle for reading and writing at once; for one holder at a time. */
export function accessHandle(file: FileSystemFileHandle): Promise<AccessHandle> {
  return (file as unknown as { createSyncAccessHandle(): Promise<AccessHandle> }).createSyncAccessHandle();
}
