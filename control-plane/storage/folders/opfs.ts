/**
 * A folder in the browser's origin private file system, for a dedicated worker. A file that is open here is open nowhere
 * else: within the worker readers share one access handle. Reads and writes go straight from and to the caller's buffers,
 * also of shared memory.
 */
import { StorageError, toStorageError } from "../errors.js";
import type { FileInfo, Folder, ImageFile, OpenMode } from "../image-file.js";
import { ReadOnlyFile } from "../read-only.js";
import { type Segments, scatter, segmentsLength } from "../segments.js";
import { checkedName, resolveBelow } from "./names.js";
import { type AccessHandle, accessHandle, type NameList, NameStore } from "./opfs-names.js";

/** Lets one at a time change the names, of all pages of the site; `navigator.locks.request` does. */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

/** A file that is open in this worker, and who uses it. */
interface OpenHandle {
  readonly handle: AccessHandle;
  size: number;
  readonly users: Set<OpfsFile>;
}

class OpfsFile implements ImageFile {
  #open = true;

  constructor(
    public name: string,
    public mode: OpenMode,
    readonly modifiedMs: number,
    private readonly shared: OpenHandle,
    private readonly release: (file: OpfsFile) => void,
  ) {
    shared.users.add(this);
  }

  get size(): number {
    return this.shared.size;
  }

  read(at: number, into: Segments): void {
    this.#check("read");
    let from = at;
    for (let i = 0; i < into.length; i++) {
      const segment = into[i]!;
      const count = this.#try(() => this.shared.handle.read(segment, { at: from }));
      if (count !== segment.length) throw beyondEnd(this.name, from + count, this.size);
      from += count;
    }
  }

  write(at: number, from: Segments): void {
    this.#check("write");
    let to = at;
    for (let i = 0; i < from.length; i++) {
      const segment = from[i]!;
      const count = this.#try(() => this.shared.handle.write(segment, { at: to }));
      to += count;
      if (to > this.shared.size) this.shared.size = to;
      if (count !== segment.length) {
        const next = "remove images or allow more storage";
        throw new StorageError("full", "the browser's quota for this site is used up", { file: this.name, next });
      }
    }
  }

  truncate(size: number): void {
    this.#check("write");
    this.#try(() => this.shared.handle.truncate(size));
    this.shared.size = size;
  }

  /** The browser has its own time for that. */
  setModified(): void {
    this.#check("write");
  }

  sync(): void {
    this.#check("read");
    this.#try(() => this.shared.handle.flush());
  }

  downgrade(): void {
    this.mode = "read";
  }

  async upgrade(): Promise<void> {
    if (this.shared.users.size > 1) throw locked(this.name, "read");
    this.mode = "write";
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.shared.users.delete(this);
    this.release(this);
  }

  #try<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw toStorageError(error, this.name);
    }
  }

  #check(mode: OpenMode): void {
    if (!this.#open) throw new StorageError("closed", "the file is closed", { file: this.name });
    if (mode === "write" && this.mode === "read") {
      throw new StorageError("read-only", "the file is open for reading", { file: this.name });
    }
  }
}

/** A file as it was when it was looked at, also when another page has it open. */
class PeekedFile extends ReadOnlyFile {
  constructor(
    readonly name: string,
    private readonly file: File,
  ) {
    super();
  }

  get size(): number {
    return this.file.size;
  }

  get modifiedMs(): number {
    return this.file.lastModified;
  }

  async read(at: number, into: Segments): Promise<void> {
    const length = segmentsLength(into);
    if (at + length > this.size) throw beyondEnd(this.name, this.size, this.size);
    try {
      scatter(new Uint8Array(await this.file.slice(at, at + length).arrayBuffer()), 0, into);
    } catch (error) {
      throw toStorageError(error, this.name);
    }
  }

  close(): void {}
}

function beyondEnd(file: string, at: number, size: number): StorageError {
  return new StorageError("truncated", `the file ends at byte ${at}`, { file, found: `${size} bytes` });
}

function locked(file: string, mode: OpenMode): StorageError {
  const what = `the file is open for ${mode === "write" ? "writing" : "reading"}`;
  return new StorageError("locked", what, { file, next: "close it there first" });
}

export class OpfsFolder implements Folder {
  readonly description = "this browser's storage";
  readonly #names: NameStore;
  readonly #open = new Map<string, OpenHandle>();

  private constructor(
    private readonly directory: FileSystemDirectoryHandle,
    private readonly exclusive: Exclusive,
  ) {
    this.#names = new NameStore(directory);
  }

  /** Whether this worker can have such a folder. */
  static isAvailable(): boolean {
    return typeof FileSystemFileHandle !== "undefined" && "createSyncAccessHandle" in FileSystemFileHandle.prototype;
  }

  /** Opens the folder of that name in the site's storage. */
  static async open(name: string): Promise<OpfsFolder> {
    try {
      const root = await navigator.storage.getDirectory();
      const directory = await root.getDirectoryHandle(name, { create: true });
      const exclusive: Exclusive = async (work) => await navigator.locks.request(`xenolith-folder:${name}`, work);
      return await OpfsFolder.of(directory, exclusive);
    } catch (error) {
      throw toStorageError(error, name);
    }
  }

  /** A folder in a directory of the file system. */
  static async of(directory: FileSystemDirectoryHandle, exclusive: Exclusive): Promise<OpfsFolder> {
    const folder = new OpfsFolder(directory, exclusive);
    await exclusive(() => folder.#sweep());
    return folder;
  }

  async open(name: string, mode: OpenMode): Promise<ImageFile> {
    const id = await this.#idOf(checkedName(name));
    const users = [...(this.#open.get(id)?.users ?? [])];
    const other = users.find((user) => mode === "write" || user.mode === "write");
    if (other !== undefined) throw locked(name, other.mode);
    return this.#openId(name, id, mode);
  }

  async peek(name: string): Promise<ImageFile> {
    const id = await this.#idOf(checkedName(name));
    const own = this.#open.get(id);
    // What is written to cannot be read as a file of the browser. Who looks is no user.
    if (own !== undefined) return new OpfsFile(name, "read", 0, { ...own, users: new Set() }, () => {});
    try {
      return new PeekedFile(name, await (await this.directory.getFileHandle(id)).getFile());
    } catch (error) {
      throw toStorageError(error, name);
    }
  }

  async create(name: string): Promise<ImageFile> {
    const checked = checkedName(name);
    const id = await this.exclusive(async () => {
      const { names, next } = await this.#names.read();
      if (names[checked] !== undefined) throw new StorageError("exists", "a file of that name exists", { file: name });
      const number = `file-${next}`;
      await this.directory.getFileHandle(number, { create: true });
      await this.#names.write({ names: { ...names, [checked]: number }, next: next + 1 });
      return number;
    });
    return this.#openId(checked, id, "write");
  }

  async rename(from: string, to: string): Promise<void> {
    const checked = checkedName(to);
    const id = await this.#idOf(from);
    const replaced = await this.#change(async ({ names }) => {
      const old = names[checked];
      if (old !== undefined && old !== id) await this.#refuseUsed(checked, old);
      const { [from]: _, ...others } = names;
      return { names: { ...others, [checked]: id }, removed: old === id ? undefined : old };
    });
    if (replaced !== undefined) await this.#discard(replaced);
    for (const file of this.#open.get(id)?.users ?? []) file.name = checked;
  }

  async remove(name: string): Promise<void> {
    const id = await this.#idOf(name);
    await this.#refuseUsed(name, id);
    await this.#change(async ({ names }) => {
      const { [name]: _, ...others } = names;
      return { names: others, removed: id };
    });
    await this.#discard(id);
  }

  async exists(name: string): Promise<boolean> {
    return (await this.#names.read()).names[name] !== undefined;
  }

  async list(): Promise<FileInfo[]> {
    const infos: FileInfo[] = [];
    for (const [name, id] of Object.entries((await this.#names.read()).names)) {
      const file = await (await this.directory.getFileHandle(id)).getFile();
      infos.push({ name, size: this.#open.get(id)?.size ?? file.size, modifiedMs: file.lastModified });
    }
    return infos;
  }

  resolve(from: string, path: string): string | null {
    return resolveBelow(from, path);
  }

  path(name: string): string {
    return `/${checkedName(name)}`;
  }

  async blob(name: string): Promise<Blob> {
    const id = await this.#idOf(name);
    const writer = [...(this.#open.get(id)?.users ?? [])].find((user) => user.mode === "write");
    if (writer !== undefined) throw locked(name, "write");
    try {
      return await (await this.directory.getFileHandle(id)).getFile();
    } catch (error) {
      throw toStorageError(error, name);
    }
  }

  async #idOf(name: string): Promise<string> {
    const id = (await this.#names.read()).names[name];
    if (id === undefined) throw new StorageError("not-found", "there is no such file", { file: name });
    return id;
  }

  async #openId(name: string, id: string, mode: OpenMode): Promise<ImageFile> {
    try {
      const file = await this.directory.getFileHandle(id);
      const { lastModified } = await file.getFile();
      const shared = this.#open.get(id) ?? (await this.#take(id, file));
      return new OpfsFile(name, mode, lastModified, shared, () => this.#release(id, shared));
    } catch (error) {
      throw toStorageError(error, name);
    }
  }

  async #take(id: string, file: FileSystemFileHandle): Promise<OpenHandle> {
    const handle = await accessHandle(file);
    const shared: OpenHandle = { handle, size: handle.getSize(), users: new Set() };
    this.#open.set(id, shared);
    return shared;
  }

  #release(id: string, shared: OpenHandle): void {
    if (shared.users.size > 0) return;
    shared.handle.close();
    this.#open.delete(id);
  }

  /** Fails with `locked` when this or another page has the file open. */
  async #refuseUsed(name: string, id: string): Promise<void> {
    const [user] = this.#open.get(id)?.users ?? [];
    if (user !== undefined) throw locked(name, user.mode);
    try {
      (await accessHandle(await this.directory.getFileHandle(id))).close();
    } catch (error) {
      throw toStorageError(error, name);
    }
  }

  #change(
    work: (list: NameList) => Promise<{ names: NameList["names"]; removed: string | undefined }>,
  ): Promise<string | undefined> {
    return this.exclusive(async () => {
      const list = await this.#names.read();
      const { names, removed } = await work(list);
      await this.#names.write({ names, next: list.next });
      return removed;
    });
  }

  /** Removes a file that has no name any more; one that cannot be goes with the next sweep. */
  async #discard(id: string): Promise<void> {
    await this.directory.removeEntry(id).catch(() => {});
  }

  /** Removes files that a crash left without a name. */
  async #sweep(): Promise<void> {
    const named = new Set(Object.values((await this.#names.read()).names));
    for await (const id of this.directory.keys()) {
      if (!named.has(id) && !NameStore.isSlot(id)) await this.#discard(id);
    }
  }
}
