/**
 * A folder that loses power. Every change is numbered; at a chosen one everything stops, and what is then on the disk is
 * what was synced, with any of the later changes: each sector of an unsynced write on its own, in any order. Or the process
 * is killed alone: then all changes are there up to that one.
 */
import type { Random } from "../../util/index.js";
import { StorageError } from "../errors.js";
import { MemoryFolder } from "../folders/memory.js";
import { checkedName, resolveBelow } from "../folders/names.js";
import type { FileInfo, Folder, ImageFile, OpenMode } from "../image-file.js";
import { gather, type Segments, segmentsLength } from "../segments.js";
import { Spares } from "../spares.js";

const SECTOR = 512;

type Change = { readonly at: number; readonly bytes: Uint8Array } | { readonly size: number };

/** Thrown by everything after the cut. */
export class PowerCut extends Error {}

interface Contents {
  live: Uint8Array;
  durable: Uint8Array;
  /** Since the last sync, in order. */
  changes: Change[];
}

function apply(bytes: Uint8Array, change: Change): Uint8Array {
  const size = "size" in change ? change.size : Math.max(bytes.length, change.at + change.bytes.length);
  const next = size === bytes.length ? bytes : resized(bytes, size);
  if ("bytes" in change) next.set(change.bytes, change.at);
  return next;
}

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const next = new Uint8Array(size);
  next.set(bytes.subarray(0, size));
  return next;
}

/** Splits a write where the medium may tear it. */
function sectorsOf(change: Change): Change[] {
  if ("size" in change) return [change];
  const parts: Change[] = [];
  for (let at = change.at; at < change.at + change.bytes.length; ) {
    const end = Math.min((Math.floor(at / SECTOR) + 1) * SECTOR, change.at + change.bytes.length);
    parts.push({ at, bytes: change.bytes.subarray(at - change.at, end - change.at) });
    at = end;
  }
  return parts;
}

class CrashFile implements ImageFile {
  #open = true;
  readonly modifiedMs = 0;

  constructor(
    public name: string,
    public mode: OpenMode,
    private readonly contents: Contents,
    private readonly folder: CrashFolder,
    private readonly onClose: (file: CrashFile) => void,
  ) {}

  get size(): number {
    return this.contents.live.length;
  }

  read(at: number, into: Segments): void {
    this.#check("read");
    let from = at;
    if (at + segmentsLength(into) > this.size)
      throw new StorageError("truncated", "beyond the end", { file: this.name });
    for (const segment of into) {
      segment.set(this.contents.live.subarray(from, from + segment.length));
      from += segment.length;
    }
  }

  write(at: number, from: Segments): void {
    const bytes = new Uint8Array(segmentsLength(from));
    gather(from, bytes, 0);
    this.#change({ at, bytes });
  }

  truncate(size: number): void {
    this.#change({ size });
  }

  setModified(): void {
    this.#check("write");
  }

  async sync(): Promise<void> {
    this.#check("read");
    this.folder.count();
    const captured = this.contents.changes.length;
    // Others run while the medium works.
    await new Promise((resolve) => setImmediate(resolve));
    this.folder.count();
    for (const change of this.contents.changes.splice(0, captured)) {
      this.contents.durable = apply(this.contents.durable.slice(), change);
    }
    this.folder.nameIsDurable(this.contents);
  }

  downgrade(): void {
    this.mode = "read";
  }

  async upgrade(): Promise<void> {
    this.mode = "write";
  }

  close(): void {
    this.#open = false;
    this.onClose(this);
  }

  #change(change: Change): void {
    this.#check("write");
    this.folder.count();
    this.contents.changes.push(change);
    this.contents.live = apply(this.contents.live, change);
  }

  #check(mode: OpenMode): void {
    this.folder.checkPower();
    if (!this.#open) throw new StorageError("closed", "the file is closed", { file: this.name });
    if (mode === "write" && this.mode === "read") throw new StorageError("read-only", "read", { file: this.name });
  }
}

export class CrashFolder implements Folder {
  readonly description = "a folder that loses power";
  readonly spares = new Spares();
  readonly #files = new Map<string, Contents>();
  /** What names lead to on the medium, and a change of them that has not been made durable. */
  #durableNames = new Map<string, Contents>();
  readonly #open = new Set<CrashFile>();
  /** Changes so far. */
  changes = 0;

  /** Everything stops at the change of this number. */
  constructor(private readonly cutAt = Number.POSITIVE_INFINITY) {}

  /** A folder with what another holds, as the medium of a machine that was switched on again. */
  static of(files: ReadonlyMap<string, Uint8Array>, cutAt?: number): CrashFolder {
    const folder = new CrashFolder(cutAt);
    for (const [name, bytes] of files) {
      folder.#files.set(name, { live: bytes.slice(), durable: bytes.slice(), changes: [] });
    }
    folder.#durableNames = new Map(folder.#files);
    return folder;
  }

  /** A new file's name becomes durable with its first sync. */
  nameIsDurable(contents: Contents): void {
    if ([...this.#durableNames.values()].includes(contents)) return;
    for (const [name, other] of this.#files) if (other === contents) this.#durableNames.set(name, contents);
  }

  get isCut(): boolean {
    return this.changes >= this.cutAt;
  }

  count(): void {
    this.changes++;
    this.checkPower();
  }

  checkPower(): void {
    if (this.isCut) throw new PowerCut("the power is gone");
  }

  async open(name: string, mode: OpenMode): Promise<ImageFile> {
    this.checkPower();
    const contents = this.#files.get(checkedName(name));
    if (contents === undefined) throw new StorageError("not-found", "there is no such file", { file: name });
    const busy = [...this.#open].some((file) => file.name === name && (mode === "write" || file.mode === "write"));
    if (busy) throw new StorageError("locked", "the file is open", { file: name });
    const file = new CrashFile(name, mode, contents, this, (closed) => this.#open.delete(closed));
    this.#open.add(file);
    return file;
  }

  async peek(name: string): Promise<ImageFile> {
    const contents = this.#files.get(name);
    if (contents === undefined) throw new StorageError("not-found", "there is no such file", { file: name });
    return new CrashFile(name, "read", contents, this, () => {});
  }

  async create(name: string): Promise<ImageFile> {
    if (this.#files.has(name)) throw new StorageError("exists", "exists", { file: name });
    this.count();
    this.#files.set(name, { live: new Uint8Array(0), durable: new Uint8Array(0), changes: [] });
    return this.open(name, "write");
  }

  async rename(from: string, to: string): Promise<void> {
    const contents = this.#files.get(from)!;
    await this.#changeNames((names) => {
      names.delete(from);
      names.set(to, contents);
    });
    for (const file of this.#open) if (file.name === from) file.name = to;
  }

  async remove(name: string): Promise<void> {
    if (!this.#files.has(name)) throw new StorageError("not-found", "there is no such file", { file: name });
    await this.#changeNames((names) => names.delete(name));
  }

  async exists(name: string): Promise<boolean> {
    this.checkPower();
    return this.#files.has(name);
  }

  async list(): Promise<FileInfo[]> {
    this.checkPower();
    return [...this.#files].map(([name, { live }]) => ({ name, size: live.length, modifiedMs: 0 }));
  }

  resolve(from: string, path: string): string | null {
    return resolveBelow(from, path);
  }

  path(name: string): string {
    return `/${name}`;
  }

  /** What a restart finds: after a power cut any of the unsynced changes, after a kill all of them. */
  afterwards(kind: "power" | "kill", random: Random): Map<string, Uint8Array> {
    const names = kind === "kill" || random.u32() % 2 === 0 ? this.#files : this.#durableNames;
    const found = new Map<string, Uint8Array>();
    for (const [name, contents] of names) {
      found.set(name, kind === "kill" ? contents.live.slice() : survivor(contents, random));
    }
    return found;
  }

  /** The same, for those who want plain files. */
  static memory(files: ReadonlyMap<string, Uint8Array>): MemoryFolder {
    const folder = new MemoryFolder();
    for (const [name, bytes] of files) folder.put(name, bytes);
    return folder;
  }

  /** A change of names is there or not when the power goes within it, and durable when it is done. */
  async #changeNames(change: (names: Map<string, Contents>) => void): Promise<void> {
    this.count();
    change(this.#files);
    await new Promise((resolve) => setImmediate(resolve));
    this.count();
    this.#durableNames = new Map(this.#files);
  }
}

/** The bytes of a file of which some unsynced sectors have reached the medium. */
function survivor({ durable, changes }: Contents, random: Random): Uint8Array {
  const parts = changes.flatMap(sectorsOf);
  for (let i = parts.length - 1; i > 0; i--) {
    const j = random.u32() % (i + 1);
    [parts[i], parts[j]] = [parts[j]!, parts[i]!];
  }
  // All, none, or about so many in a hundred.
  const share = [0, 100, 20, 50, 80][random.u32() % 5]!;
  let bytes: Uint8Array = durable.slice();
  for (const part of parts) if (random.u32() % 100 < share) bytes = apply(bytes, part);
  return bytes;
}
