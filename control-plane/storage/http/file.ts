/**
 * A file of a web server as an image file that is read in chunks. Chunks are kept, those that a reader who goes straight
 * ahead will want next are fetched before that, and neighbours that are missing come in one request.
 */

import { type Asker, unlessGone } from "../asker.js";
import { StorageError } from "../errors.js";
import { ReadOnlyFile } from "../read-only.js";
import { cutSegments, type Segments, scatter, segmentsLength } from "../segments.js";
import { type Described, type HttpOptions, HttpRequests } from "./requests.js";

export interface HttpFileOptions extends HttpOptions {
  /** Bytes of a chunk; 512 KiB unless told, 256 KiB at least. */
  readonly chunkBytes?: number;
  /** Bytes of chunks that are kept; 64 MiB unless told. */
  readonly cacheBytes?: number;
}

const CHUNK_BYTES = 512 * 1024;
const LEAST_CHUNK_BYTES = 256 * 1024;
const CACHE_BYTES = 64 * 1024 * 1024;
/** One request asks for at most so many chunks. */
const MOST_PER_REQUEST = 8;
/** So far ahead goes the prefetch once a reader has gone straight for a while. */
const MOST_AHEAD = 8;

export class HttpFile extends ReadOnlyFile {
  readonly size: number;
  readonly modifiedMs: number;
  readonly #chunkBytes: number;
  readonly #mostChunks: number;
  readonly #chunks = new Map<number, Uint8Array>();
  readonly #loading = new Map<number, Promise<void>>();
  /** Nobody has gone straight on before the second read. */
  #lastChunk = -2;
  #ahead = 0;
  #open = true;

  private constructor(
    private readonly requests: HttpRequests,
    readonly described: Described,
    options: HttpFileOptions,
  ) {
    super();
    this.size = described.size;
    this.modifiedMs = Date.parse(described.lastModified ?? "") || 0;
    this.#chunkBytes = Math.max(LEAST_CHUNK_BYTES, options.chunkBytes ?? CHUNK_BYTES);
    this.#mostChunks = Math.max(MOST_AHEAD * 4, Math.floor((options.cacheBytes ?? CACHE_BYTES) / this.#chunkBytes));
  }

  static async open(address: string, options: HttpFileOptions = {}): Promise<HttpFile> {
    const requests = new HttpRequests(address, options);
    return new HttpFile(requests, await requests.describe(), options);
  }

  get name(): string {
    return this.requests.url;
  }

  read(at: number, into: Segments, asker?: Asker): void | Promise<void> {
    if (!this.#open) throw new StorageError("closed", "the file is closed", { file: this.name });
    const length = segmentsLength(into);
    if (!(at >= 0 && at + length <= this.size)) {
      const details = { file: this.name, found: `${this.size} bytes` };
      throw new StorageError("truncated", `bytes ${at} to ${at + length} are beyond the end`, details);
    }
    if (length === 0) return;
    const first = Math.floor(at / this.#chunkBytes);
    const last = Math.floor((at + length - 1) / this.#chunkBytes);
    this.#lookAhead(first, last);
    for (let index = first; index <= last; index++)
      if (!this.#chunks.has(index)) return this.#readSlowly(at, into, asker);
    for (let index = first; index <= last; index++) this.#copy(index, this.#touch(index), at, length, into);
  }

  close(): void {
    this.#open = false;
    this.#chunks.clear();
    this.requests.close();
  }

  /** Chunk by chunk, so that a request larger than the cache comes through as well. */
  async #readSlowly(at: number, into: Segments, asker?: Asker): Promise<void> {
    const length = segmentsLength(into);
    const last = Math.floor((at + length - 1) / this.#chunkBytes);
    for (let index = Math.floor(at / this.#chunkBytes); index <= last; index++) {
      while (!this.#chunks.has(index)) await unlessGone(this.#load(index, last), asker);
      this.#copy(index, this.#touch(index), at, length, into);
    }
  }

  /** The part of a chunk that belongs to `[at, at + length)`, to its place. */
  #copy(index: number, chunk: Uint8Array, at: number, length: number, into: Segments): void {
    const start = index * this.#chunkBytes;
    const from = Math.max(at, start);
    const to = Math.min(at + length, start + chunk.length);
    scatter(chunk, from - start, cutSegments(into, from - at, to - from));
  }

  #touch(index: number): Uint8Array {
    const chunk = this.#chunks.get(index)!;
    this.#chunks.delete(index);
    this.#chunks.set(index, chunk);
    return chunk;
  }

  /** Fetches a chunk, and those behind it up to `last` that are missing too. */
  #load(index: number, last: number): Promise<void> {
    const loading = this.#loading.get(index);
    if (loading !== undefined) return loading;
    let count = 1;
    while (
      count < MOST_PER_REQUEST &&
      index + count <= last &&
      !this.#chunks.has(index + count) &&
      !this.#loading.has(index + count)
    ) {
      count++;
    }
    const work = this.#fetchChunks(index, count).finally(() => {
      for (let i = 0; i < count; i++) this.#loading.delete(index + i);
    });
    for (let i = 0; i < count; i++) this.#loading.set(index + i, work);
    return work;
  }

  async #fetchChunks(index: number, count: number): Promise<void> {
    const at = index * this.#chunkBytes;
    const length = Math.min(count * this.#chunkBytes, this.size - at);
    const bytes = await this.requests.range(at, length, this.described);
    if (!this.#open) throw new StorageError("closed", "the file is closed", { file: this.name });
    // In order, the last one newest; copies, or one chunk would keep all of them in memory.
    for (let i = 0; i < count; i++) {
      const chunk = bytes.slice(i * this.#chunkBytes, (i + 1) * this.#chunkBytes);
      this.#chunks.set(index + i, chunk);
    }
    this.#evict();
  }

  #evict(): void {
    for (const index of this.#chunks.keys()) {
      if (this.#chunks.size <= this.#mostChunks) return;
      this.#chunks.delete(index);
    }
  }

  /** Fetches ahead of a reader that goes straight on, further the longer it does. */
  #lookAhead(first: number, last: number): void {
    if (first > this.#lastChunk + 1 || first < this.#lastChunk) this.#ahead = 0;
    else if (last > this.#lastChunk) this.#ahead = Math.min(MOST_AHEAD, Math.max(1, this.#ahead * 2));
    this.#lastChunk = last;
    let covered = last;
    while (this.#chunks.has(covered + 1) || this.#loading.has(covered + 1)) covered++;
    // Several at once, and only when half of what was fetched ahead has been read.
    if (covered - last >= this.#ahead / 2) return;
    const end = Math.min(last + this.#ahead, Math.ceil(this.size / this.#chunkBytes) - 1);
    // Whoever reads what fails tries again, and is told.
    if (covered < end) this.#load(covered + 1, end).catch(() => {});
  }
}
