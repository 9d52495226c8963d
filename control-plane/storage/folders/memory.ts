/** A folder in memory: for tests, and for images that need not outlive the process. */
import { StorageError } from "../errors.js";
import type { FileInfo, Folder, ImageFile, OpenMode } from "../image-file.js";
import { gather, type Segments, scatter, segmentsLength } from "../segments.js";
import { Spares } from "../spares.js";
import { checkedName, resolveBelow } from "./names.js";

/** The contents of a file, growing by doubling. */
export class MemoryBytes {
  #bytes = new Uint8Array(0);
  size = 0;
  modifiedMs = 0;

  read(at: number, into: Segments): void {
    scatter(this.#bytes, at, into);
  }

  write(at: number, from: Segments): void {
    this.#reserve(at + segmentsLength(from));
    gather(from, this.#bytes, at);
  }

  truncate(size: number): void {
    if (size < this.size) this.#bytes.fill(0, size, this.size);
    this.#reserve(size);
    this.size = size;
  }

  #reserve(end: number): void {
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2, 4096));
      grown.set(this.#bytes.subarray(0, this.size));
      this.#bytes = grown;
    }
    this.size = Math.max(this.size, end);
  }

  /** All of it, as a copy. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.size);
  }
}

/** Who has which file open. */
class Locks {
  readonly #held = new Map<string, Set<MemoryFile>>();

  take(file: MemoryFile): void {
    const others = this.#held.get(file.name) ?? new Set();
    for (const other of others) {
      if (file.mode === "read" && other.mode === "read") continue;
      throw new StorageError("locked", `the file is open for ${other.mode === "write" ? "writing" : "reading"}`, {
        file: file.name,
        next: "close it there first",
      });
    }
    others.add(file);
    this.#held.set(file.name, others);
  }

  release(file: MemoryFile): void {
    this.#held.get(file.name)?.delete(file);
  }

  holders(name: string): readonly MemoryFile[] {
    return [...(this.#held.get(name) ?? [])];
  }
}

class MemoryFile implements ImageFile {
  #open = true;

  constructor(
    public name: string,
    public mode: OpenMode,
    private readonly bytes: MemoryBytes,
    private readonly locks: Locks | null,
  ) {
    locks?.take(this);
  }

  get size(): number {
    return this.bytes.size;
  }

  get modifiedMs(): number {
    return this.bytes.modifiedMs;
  }

  read(at: number, into: Segments): void {
    this.#check("read");
    const end = at + segmentsLength(into);
    if (!(at >= 0 && end <= this.size)) {
      throw new StorageError("truncated", `bytes ${at} to ${end} are beyond the end`, {
        file: this.name,
        found: `${this.size} bytes`,
      });
    }
    this.bytes.read(at, into);
  }

  write(at: number, from: Segments): void {
    this.#check("write");
    this.bytes.write(at, from);
  }

  truncate(size: number): void {
    this.#check("write");
    this.bytes.truncate(size);
  }

  setModified(ms: number): void {
    this.#check("write");
    this.bytes.modifiedMs = ms;
  }

  sync(): void {
    this.#check("read");
  }

  downgrade(): void {
    this.mode = "read";
  }

  async upgrade(): Promise<void> {
    if (this.locks === null || this.locks.holders(this.name).length > 1) {
      throw new StorageError("locked", "others read the file", { file: this.name });
    }
    this.mode = "write";
  }

  close(): void {
    if (this.#open) this.locks?.release(this);
    this.#open = false;
  }

  #check(mode: OpenMode): void {
    if (!this.#open) throw new StorageError("closed", "the file is closed", { file: this.name });
    if (mode === "write" && this.mode === "read") {
      throw new StorageError("read-only", "the file is open for reading", { file: this.name });
    }
  }
}

export class MemoryFolder implements Folder {
  readonly description = "memory";
  readonly spares = new Spares();
  readonly #files = new Map<string, MemoryBytes>();
  readonly #locks = new Locks();

  async open(name: string, mode: OpenMode): Promise<ImageFile> {
    return new MemoryFile(checkedName(name), mode, this.contents(name), this.#locks);
  }

  async peek(name: string): Promise<ImageFile> {
    return new MemoryFile(checkedName(name), "read", this.contents(name), null);
  }

  async create(name: string): Promise<ImageFile> {
    const checked = checkedName(name);
    if (this.#files.has(checked)) throw new StorageError("exists", "a file of that name exists", { file: name });
    this.#files.set(checked, new MemoryBytes());
    return this.open(checked, "write");
  }

  /** Puts a whole file there. */
  put(name: string, bytes: Uint8Array): void {
    const file = new MemoryBytes();
    file.write(0, [bytes]);
    this.#files.set(checkedName(name), file);
  }

  /** What a file holds, as it is now; fails with `not-found`. */
  contents(name: string): MemoryBytes {
    const file = this.#files.get(name);
    if (file === undefined) throw new StorageError("not-found", "there is no such file", { file: name });
    return file;
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.contents(from);
    this.#refuseOpen(to);
    const users = this.#locks.holders(from);
    for (const user of users) this.#locks.release(user);
    this.#files.delete(from);
    this.#files.set(checkedName(to), file);
    for (const user of users) {
      user.name = to;
      this.#locks.take(user);
    }
  }

  async remove(name: string): Promise<void> {
    this.contents(name);
    this.#refuseOpen(name);
    this.#files.delete(name);
  }

  async exists(name: string): Promise<boolean> {
    return this.#files.has(name);
  }

  async list(): Promise<FileInfo[]> {
    return [...this.#files].map(([name, { size, modifiedMs }]) => ({ name, size, modifiedMs }));
  }

  resolve(from: string, path: string): string | null {
    return resolveBelow(from, path);
  }

  path(name: string): string {
    return `/${checkedName(name)}`;
  }

  async blob(name: string): Promise<Blob> {
    return new Blob([this.contents(name).copy()]);
  }

  #refuseOpen(name: string): void {
    if (this.#locks.holders(name).length > 0) throw new StorageError("locked", "the file is open", { file: name });
  }
}
