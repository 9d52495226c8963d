/** A directory of the origin private file system, as far as a folder of images uses it. */
import { MemoryBytes } from "../folders/memory.js";

class DomError extends Error {
  constructor(name: string) {
    super(`fake ${name}`);
    this.name = name;
  }
}

interface Entry {
  readonly bytes: MemoryBytes;
  isOpen: boolean;
}

export class FakeDirectory {
  readonly files = new Map<string, Entry>();
  /** Bytes that all files together may have. */
  quota = Number.POSITIVE_INFINITY;
  /** So many flushes fail from now on. */
  failingFlushes = 0;

  async getFileHandle(name: string, options: { create?: boolean } = {}) {
    let entry = this.files.get(name);
    if (entry === undefined) {
      if (!options.create) throw new DomError("NotFoundError");
      entry = { bytes: new MemoryBytes(), isOpen: false };
      this.files.set(name, entry);
    }
    const found = entry;
    return {
      getFile: async () => new File([new Uint8Array(found.bytes.copy())], name),
      createSyncAccessHandle: async () => this.#access(found),
    };
  }

  async removeEntry(name: string): Promise<void> {
    if (this.files.get(name)?.isOpen) throw new DomError("NoModificationAllowedError");
    if (!this.files.delete(name)) throw new DomError("NotFoundError");
  }

  async *keys(): AsyncGenerator<string> {
    yield* [...this.files.keys()];
  }

  /** As the type that browsers have. */
  get handle(): FileSystemDirectoryHandle {
    return this as unknown as FileSystemDirectoryHandle;
  }

  #access(entry: Entry) {
    if (entry.isOpen) throw new DomError("NoModificationAllowedError");
    entry.isOpen = true;
    const { bytes } = entry;
    let isClosed = false;
    return {
      getSize: () => bytes.size,
      truncate: (size: number) => bytes.truncate(size),
      flush: () => {
        if (this.failingFlushes === 0) return;
        this.failingFlushes--;
        throw new DomError("InvalidStateError");
      },
      close: () => {
        isClosed = true;
        entry.isOpen = false;
      },
      read: (into: Uint8Array, { at }: { at: number }) => {
        if (isClosed) throw new DomError("InvalidStateError");
        const count = Math.max(0, Math.min(into.length, bytes.size - at));
        bytes.read(at, [into.subarray(0, count)]);
        return count;
      },
      write: (from: Uint8Array, { at }: { at: number }) => {
        let used = 0;
        for (const file of this.files.values()) used += file.bytes.size;
        if (used + Math.max(0, at + from.length - bytes.size) > this.quota) throw new DomError("QuotaExceededError");
        bytes.write(at, [from]);
        return from.length;
      },
    };
  }
}
