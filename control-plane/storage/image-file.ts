/**
 * What images are kept in: files that are read and written at byte offsets, in a folder that knows them by name. Node's
 * file system and the browser's origin private file system stand behind it, and in tests memory that can lose power.
 */

import type { Asker } from "./asker.js";
import type { Pending } from "./disk.js";
import type { Segments } from "./segments.js";
import type { Spares } from "./spares.js";

/** How a file is shared: any number of readers, or one writer. */
export type OpenMode = "read" | "write";

/**
 * An open file. Reads and writes are positional and whole: fewer bytes than asked for is a failure. What is written is
 * seen by every later read at once, and is durable after a `sync` that was made after it. Local files do their work at
 * once; only a file across the network, which cannot be written to, makes a reader wait. `asker` is as a disk's.
 */
export interface ImageFile {
  readonly name: string;
  readonly mode: OpenMode;
  /** Bytes. */
  readonly size: number;
  /** When it was changed last, in milliseconds since 1970, as far as the host knew when it was opened. */
  readonly modifiedMs: number;
  /** Says when it was changed last, where the host lets one: children of an image remember that time. */
  setModified(ms: number): void;
  read(at: number, into: Segments, asker?: Asker): Pending;
  /** May extend the file; bytes between the old end and `at` are zero. */
  write(at: number, from: Segments): void;
  /** Cuts the file, or extends it with zeros that take no room where the host can. */
  truncate(size: number): void;
  sync(): Pending;
  /** A writer that will only read from now on lets readers in. */
  downgrade(): void;
  /** The only reader becomes a writer; fails with `locked` when it is not the only one. */
  upgrade(): Promise<void>;
  close(): Pending;
}

export interface FileInfo {
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/**
 * A folder of images. A name is a path below the folder with `/` between its parts, or what `resolve` answered. Opening
 * takes the lock of the mode and fails with `locked` when another has one that excludes it.
 */
export interface Folder {
  readonly description: string;
  /** What is in use of what gives way when there is no room. */
  readonly spares: Spares;
  open(name: string, mode: OpenMode): Promise<ImageFile>;
  /** Opens a file to look at it without a lock, while others may be writing to it. */
  peek(name: string): Promise<ImageFile>;
  /** Makes an empty file and opens it for writing; fails with `exists`. Its name is durable with its first sync. */
  create(name: string): Promise<ImageFile>;
  /** Whole or not at all, durable when done; takes the place of a file of the new name. Open files go on working. */
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  exists(name: string): Promise<boolean>;
  list(): Promise<FileInfo[]>;
  /** The name of a file that `from` refers to by a path of its own, or null when it may not be reached from there. */
  resolve(from: string, path: string): string | null;
  /** Where the file is on the host, in the host's own way of writing paths. */
  path(name: string): string;
  /** A file that nobody writes to, as an object that reads it when it is read itself; where the host has such. */
  blob?(name: string): Promise<Blob>;
}
