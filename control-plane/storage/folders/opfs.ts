/**
 * A folder in the browser's origin private file system, for a dedicated worker. A file that is open here is open nowhere
 * else: within the worker readers share one access handle. Reads and writes go straight from and to the caller's buffers,
 * also of shared memory.
 */
import { StorageError, toStorageError } from "../errors.js";
import type { FileInfo, Folder, ImageFile, OpenMode } from "../image-file.js";
import { ReadOnlyFile } from "../read-only.js";
import { type Segments, scatter, segmentsLength } from "../segments.js";
import { Spares } from "../spares.js";
import { checkedName, resolveBelow } from "./names.js";
import { type AccessHandle, accessHandle, fileOf, type NameList, NameStore } from "./opfs-names.js";

/** Lets one at a time change the names, of all pages of the site; `navigator.locks.request` does. */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

/** A file that is open in this worker. */
interface OpenHandle {
  readonly handle: AccessHandle;
  size: number;
  /** The host may forget what it could not write after it said so once: never again believed. */
  failed: StorageError | null;
  /** Who reads or writes it. */
  readonly users: Set<OpfsFile>;
  /** Who only looks at what is open anyway: excludes nobody, but the handle stays until he is done. */
  readonly lookers: Set<OpfsFile>;
}

class OpfsFile implements ImageFile {
  #open = true;

  constructor(
    public name: string,
    public mode: OpenMode,
    readonly modifiedMs: number,
    private readonly shared: OpenHandle,
    /** Those that it belongs to until it is closed. */
    private readonly members: Set<OpfsFile>,
    private readonly release: () => void,
  ) {
    members.add(this);
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
    try {
      this.shared.handle.flush();
    } catch (error) {
      this.shared.failed = toStorageError(error, this.name);
      throw this.shared.failed;
    }
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
    this.members.delete(this);
    this.release();
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
    if (this.shared.failed !== null) throw this.shared.failed;
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

const notFound = (file: string): StorageError => new StorageError("not-found", "there is no such file", { file });

/** The file of a name that there must be. */
function idIn(list: NameList, name: string): string {
  const id = fileOf(list, name);
  if (id === undefined) throw notFound(name);
  return id;
}

interface NameChange {
  readonly names: NameList["names"];
  /** The file that has no name after it. */
  readonly gone: { readonly id: string; readonly held: ImageFile } | null;
  readonly done?: () => void;
}

export class OpfsFolder implements Folder {
  readonly description = "this browser's storage";
  readonly spares = new Spares();
  readonly #names: NameStore;
  readonly #open = new Map<string, OpenHandle>();
  readonly #taking = new Map<string, Promise<OpenHandle>>();
  /** Files without a name that somebody still looks at. */
  readonly #doomed = new Set<string>();

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
    return this.#openId(name, await this.#idOf(checkedName(name)), mode);
  }

  async peek(name: string): Promise<ImageFile> {
    const id = await this.#idOf(checkedName(name));
    const own = this.#open.get(id);
    // What is written to cannot be read as a file of the browser.
    if (own !== undefined) return new OpfsFile(name, "read", 0, own, own.lookers, () => this.#release(id, own));
    try {
      return new PeekedFile(name, await (await this.directory.getFileHandle(id)).getFile());
    } catch (error) {
      throw toStorageError(error, name);
    }
  }

  async create(name: string): Promise<ImageFile> {
    const checked = checkedName(name);
    const id = await this.exclusive(async () => {
      const list = await this.#names.read();
      const { names, next } = list;
      if (fileOf(list, checked) !== undefined)
        throw new StorageError("exists", "a file of that name exists", { file: name });
      const number = `file-${next}`;
      await this.directory.getFileHandle(number, { create: true });
      await this.#names.write({ names: { ...names, [checked]: number }, next: next + 1 });
      return number;
    });
    return this.#openId(checked, id, "write");
  }

  async rename(from: string, to: string): Promise<void> {
    const checked = checkedName(to);
    await this.#change(async (list) => {
      const id = idIn(list, from);
      const old = fileOf(list, checked);
      const { [from]: _, ...others } = list.names;
      return {
        names: { ...others, [checked]: id },
        gone: old === undefined || old === id ? null : { id: old, held: await this.#openId(checked, old, "write") },
        done: () => {
          for (const file of this.#open.get(id)?.users ?? []) file.name = checked;
        },
      };
    });
  }

  async remove(name: string): Promise<void> {
    await this.#change(async (list) => {
      const id = idIn(list, name);
      const { [name]: _, ...others } = list.names;
      return { names: others, gone: { id, held: await this.#openId(name, id, "write") } };
    });
  }

  async exists(name: string): Promise<boolean> {
    return fileOf(await this.#names.read(), name) !== undefined;
  }

  async list(): Promise<FileInfo[]> {
    const infos: FileInfo[] = [];
    for (const [name, id] of Object.entries((await this.#names.read()).names)) {
      try {
        const file = await (await this.directory.getFileHandle(id)).getFile();
        infos.push({ name, size: this.#open.get(id)?.size ?? file.size, modifiedMs: file.lastModified });
      } catch (error) {
        const failure = toStorageError(error, name);
        // Somebody has removed it meanwhile.
        if (failure.code !== "not-found") throw failure;
      }
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
    return idIn(await this.#names.read(), name);
  }

  async #openId(name: string, id: string, mode: OpenMode): Promise<ImageFile> {
    try {
      const entry = await this.directory.getFileHandle(id);
      const { lastModified } = await entry.getFile();
      const shared = await this.#take(id, entry);
      const other = [...shared.users].find((user) => mode === "write" || user.mode === "write");
      if (other !== undefined) throw locked(name, other.mode);
      const file = new OpfsFile(name, mode, lastModified, shared, shared.users, () => this.#release(id, shared));
      // From here on nobody else takes the name from it; somebody may have before.
      const now = await this.#idOf(name).catch(() => null);
      if (now === id) return file;
      file.close();
      throw notFound(name);
    } catch (error) {
      throw toStorageError(error, name);
    }
  }

  /** The handle of a file: one for all of this worker, also for those that come at once. */
  async #take(id: string, file: FileSystemFileHandle): Promise<OpenHandle> {
    while (true) {
      const shared = this.#open.get(id);
      if (shared !== undefined) return shared;
      const taking = this.#taking.get(id) ?? this.#begin(id, file);
      const taken = await taking;
      if (this.#open.get(id) === taken) return taken;
    }
  }

  #begin(id: string, file: FileSystemFileHandle): Promise<OpenHandle> {
    const taking = accessHandle(file)
      .then((handle) => {
        const size = handle.getSize();
        const shared: OpenHandle = { handle, size, failed: null, users: new Set(), lookers: new Set() };
        this.#open.set(id, shared);
        return shared;
      })
      .finally(() => this.#taking.delete(id));
    this.#taking.set(id, taking);
    return taking;
  }

  #release(id: string, shared: OpenHandle): void {
    if (shared.users.size + shared.lookers.size > 0) return;
    shared.handle.close();
    this.#open.delete(id);
    if (this.#doomed.delete(id)) void this.#discard(id);
  }

  /** Changes the names. A file that loses its own is held meanwhile, so that nobody begins to use it, and then removed. */
  async #change(work: (list: NameList) => Promise<NameChange>): Promise<void> {
    const gone = await this.exclusive(async () => {
      const list = await this.#names.read();
      const { names, gone, done } = await work(list);
      try {
        await this.#names.write({ names, next: list.next });
        done?.();
      } finally {
        gone?.held.close();
      }
      return gone;
    });
    if (gone !== null) await this.#discard(gone.id);
  }

  /** Removes a file that has no name any more; one that cannot be goes with the next sweep. */
  async #discard(id: string): Promise<void> {
    if (this.#open.has(id)) this.#doomed.add(id);
    else await this.directory.removeEntry(id).catch(() => {});
  }

  /** Removes files that a crash left without a name, and names that outlasted it when their new files did not. */
  async #sweep(): Promise<void> {
    const { names, next } = await this.#names.read();
    const named = new Set(Object.values(names));
    const there = new Set<string>();
    for await (const id of this.directory.keys()) {
      if (named.has(id)) there.add(id);
      else if (!NameStore.isSlot(id)) await this.#discard(id);
    }
    if (there.size === named.size) return;
    const kept = Object.fromEntries(Object.entries(names).filter(([, id]) => there.has(id)));
    // Where that is not possible now they go with the next sweep.
    await this.#names.write({ names: kept, next }).catch(() => {});
  }
}
