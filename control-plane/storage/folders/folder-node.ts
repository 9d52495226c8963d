/** A folder of Node's file system. Reads and writes are synchronous, straight from and to the caller's buffers; only syncs wait. */
import * as fs from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { StorageError, toStorageError } from "../errors.js";
import type { FileInfo, Folder, ImageFile, OpenMode } from "../image-file.js";
import { cutSegments, type Segments, segmentsLength } from "../segments.js";
import { Spares } from "../spares.js";
import { settled } from "../waits.js";
import { checkedName } from "./names.js";
import { FileLock, refuseLocked } from "./node-locks-node.js";

/** Runs a host call and gives its failure our form. */
function host<T>(file: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toStorageError(error, file);
  }
}

class NodeFile implements ImageFile {
  modifiedMs: number;
  #size: number;
  #open = true;
  /** The host may forget what it could not write after it said so once: never again believed. */
  #failed: StorageError | null = null;
  /** The folder that does not have the name durably yet. */
  #folderToSync: string | null = null;
  readonly #syncs = new Set<Promise<void>>();

  constructor(
    public name: string,
    private path: string,
    private fd: number,
    /** Null for one who only looks. */
    private readonly lock: FileLock | null,
    private readonly onClose: (file: NodeFile) => void,
  ) {
    const stat = fs.fstatSync(fd);
    this.#size = stat.size;
    this.modifiedMs = stat.mtimeMs;
  }

  get mode(): OpenMode {
    return this.lock?.mode ?? "read";
  }

  get size(): number {
    return this.#size;
  }

  read(at: number, into: Segments): void {
    this.#check("read");
    const length = segmentsLength(into);
    let done = 0;
    try {
      while (done < length) {
        const rest = done === 0 ? into : cutSegments(into, done, length - done);
        const only = rest[0]!;
        const count =
          rest.length === 1
            ? fs.readSync(this.fd, only, 0, only.length, at + done)
            : fs.readvSync(this.fd, rest as NodeJS.ArrayBufferView[], at + done);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw toStorageError(error, this.name);
    }
    if (done === length) return;
    const found = `${done} bytes`;
    throw new StorageError("truncated", `the file ends at byte ${at + done}`, {
      file: this.name,
      found,
      expected: `${length} bytes`,
    });
  }

  write(at: number, from: Segments): void {
    this.#check("write");
    const length = segmentsLength(from);
    let done = 0;
    try {
      while (done < length) {
        const rest = done === 0 ? from : cutSegments(from, done, length - done);
        const only = rest[0]!;
        done +=
          rest.length === 1
            ? fs.writeSync(this.fd, only, 0, only.length, at + done)
            : fs.writevSync(this.fd, rest as NodeJS.ArrayBufferView[], at + done);
      }
    } catch (error) {
      throw toStorageError(error, this.name);
    } finally {
      if (at + done > this.#size) this.#size = at + done;
    }
  }

  truncate(size: number): void {
    this.#check("write");
    host(this.name, () => fs.ftruncateSync(this.fd, size));
    this.#size = size;
  }

  setModified(ms: number): void {
    this.#check("write");
    host(this.name, () => fs.futimesSync(this.fd, ms / 1000, ms / 1000));
    this.modifiedMs = ms;
  }

  /** The file is new: its name becomes durable with the first sync. */
  syncFolderToo(): void {
    this.#folderToSync = dirname(this.path);
  }

  async sync(): Promise<void> {
    this.#check("read");
    const folder = this.#folderToSync;
    const waits = [this.#syncData()];
    if (folder !== null) waits.push(syncFolder(folder));
    await settled(waits);
    if (this.#folderToSync === folder) this.#folderToSync = null;
  }

  #syncData(): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      fs.fdatasync(this.fd, (error) => {
        if (error === null) return resolve();
        this.#failed = toStorageError(error, this.name);
        reject(this.#failed);
      });
    });
    this.#syncs.add(done);
    const forget = (): void => void this.#syncs.delete(done);
    done.then(forget, forget);
    return done;
  }

  downgrade(): void {
    this.lock?.downgrade();
  }

  async upgrade(): Promise<void> {
    if (this.mode === "write") return;
    const { lock } = this;
    if (lock === null) throw new StorageError("locked", "this is no reader that can write", { file: this.name });
    const fd = host(this.name, () => fs.openSync(this.path, "r+"));
    try {
      lock.upgrade();
    } catch (error) {
      fs.closeSync(fd);
      throw toStorageError(error, this.name);
    }
    const former = this.fd;
    this.fd = fd;
    // As in close: somebody's sync may be under way.
    await Promise.allSettled(this.#syncs);
    fs.closeSync(former);
  }

  moved(name: string, path: string): void {
    this.name = name;
    this.path = path;
    // Beside the file itself, where all look who come by another way.
    this.lock?.moveTo(fs.realpathSync(path));
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    // The number may name another file as soon as it is closed.
    await Promise.allSettled(this.#syncs);
    fs.closeSync(this.fd);
    this.lock?.release();
    this.onClose(this);
  }

  #check(mode: OpenMode): void {
    if (!this.#open) throw new StorageError("closed", "the file is closed", { file: this.name });
    if (this.#failed !== null) throw this.#failed;
    if (mode === "write" && this.mode === "read") {
      throw new StorageError("read-only", "the file is open for reading", { file: this.name });
    }
  }
}

export interface NodeFolderOptions {
  /** Other folders that images here may refer to, by paths that lead there. */
  readonly parents?: readonly string[];
  /** Only files directly in the folder are images: below it may be anything. */
  readonly flat?: boolean;
}

export class NodeFolder implements Folder {
  readonly description: string;
  readonly spares = new Spares();
  readonly #root: string;
  readonly #parents: readonly string[];
  readonly #flat: boolean;
  readonly #open = new Set<NodeFile>();

  constructor(root: string, options: NodeFolderOptions = {}) {
    this.#root = resolve(root);
    this.#parents = (options.parents ?? []).map((folder) => resolve(folder));
    this.#flat = options.flat ?? false;
    this.description = this.#root;
  }

  async open(name: string, mode: OpenMode): Promise<ImageFile> {
    const path = this.path(name);
    return host(name, () => this.#openAt(name, path, mode, mode === "read" ? "r" : "r+"));
  }

  async peek(name: string): Promise<ImageFile> {
    const path = this.path(name);
    return host(name, () => new NodeFile(name, path, fs.openSync(path, "r"), null, () => {}));
  }

  async create(name: string): Promise<ImageFile> {
    const path = this.path(name);
    const file = host(name, () => {
      fs.mkdirSync(dirname(path), { recursive: true });
      return this.#openAt(name, path, "write", "wx+");
    });
    file.syncFolderToo();
    return file;
  }

  async rename(from: string, to: string): Promise<void> {
    const [old, now] = [this.path(from), this.path(to)];
    host(from, () => {
      if (fs.existsSync(now)) refuseLocked(now);
      fs.renameSync(old, now);
    });
    for (const file of this.#open) if (file.name === from) file.moved(to, now);
    await syncFolder(dirname(now));
    if (dirname(old) !== dirname(now)) await syncFolder(dirname(old));
  }

  async remove(name: string): Promise<void> {
    const path = this.path(name);
    host(name, () => {
      // Asked first: a lock beside a file that is not there would say nothing.
      fs.statSync(path);
      refuseLocked(path);
      fs.rmSync(path);
    });
    await syncFolder(dirname(path));
  }

  async exists(name: string): Promise<boolean> {
    return fs.existsSync(this.path(name));
  }

  async list(): Promise<FileInfo[]> {
    return host(this.description, () => [...filesBelow(this.#root, "", this.#flat)]);
  }

  resolve(from: string, path: string): string | null {
    const native = sep === "/" ? path.replaceAll("\\", "/") : path;
    if (/^[a-z]:/i.test(native) && sep === "/") return null;
    const target = resolve(dirname(this.path(from)), native);
    if (isBelow(this.#root, target)) return relative(this.#root, target).split(sep).join("/");
    return this.#parents.some((folder) => isBelow(folder, target)) ? target : null;
  }

  path(name: string): string {
    if (isAbsolute(name)) {
      const path = resolve(name);
      if (this.#parents.some((folder) => isBelow(folder, path))) return path;
      throw new StorageError("bad-name", "this file is outside of the folders that may be used", {
        file: name,
        expected: `below ${[this.#root, ...this.#parents].join(" or ")}`,
      });
    }
    return join(this.#root, checkedName(name));
  }

  #openAt(name: string, path: string, mode: OpenMode, flags: string): NodeFile {
    // Opened first: a lock beside a file that is not there would say nothing.
    const fd = fs.openSync(path, flags, 0o644);
    let lock: FileLock | null = null;
    try {
      if (!fs.fstatSync(fd).isFile()) throw new StorageError("bad-name", "this is no regular file", { file: name });
      lock = new FileLock(fs.realpathSync(path), mode);
      if (isFileOf(path, fd)) {
        const file = new NodeFile(name, path, fd, lock, (closed) => this.#open.delete(closed));
        this.#open.add(file);
        return file;
      }
    } catch (error) {
      lock?.release();
      fs.closeSync(fd);
      throw error;
    }
    // Another file got the name before it was locked: what was opened is nobody's any more.
    lock.release();
    fs.closeSync(fd);
    return this.#openAt(name, path, mode, flags);
  }
}

/** Whether the open file is the one of that path. */
function isFileOf(path: string, fd: number): boolean {
  const [open, named] = [fs.fstatSync(fd), fs.statSync(path)];
  return open.ino === named.ino && open.dev === named.dev;
}

const isBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way !== "" && !isAbsolute(way) && way.split(sep)[0] !== "..";
};

function* filesBelow(path: string, prefix: string, flat: boolean): Generator<FileInfo> {
  for (const entry of fs.readdirSync(path, { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    const name = prefix + entry.name;
    if (entry.isDirectory() && !flat) yield* filesBelow(join(path, entry.name), `${name}/`, flat);
    if (!entry.isFile()) continue;
    const stat = fs.statSync(join(path, entry.name), { throwIfNoEntry: false });
    // Another process has removed it meanwhile.
    if (stat === undefined) continue;
    yield { name, size: stat.size, modifiedMs: stat.mtimeMs };
  }
}

/** Makes names durable. Windows does so by itself, and refuses to open a folder. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await fs.promises.open(path, "r");
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (process.platform !== "win32" || (code !== "EPERM" && code !== "EISDIR" && code !== "EACCES"))
      throw toStorageError(error, basename(path));
  }
}
