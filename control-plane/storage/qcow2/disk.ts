/** A qcow2 image as a disk that is only read. [QCOW-FORMAT] */
import { inflateSync } from "fflate";
import { decompressZstd } from "../../formats/index.js";
import { type Asker, unlessGone } from "../asker.js";
import { type Disk, type Pending, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import { ReadOnlyDisk } from "../read-only.js";
import { checkRequest, clearSegments, cutSegments, type Segments, scatter, segmentsLength } from "../segments.js";
import { together } from "../waits.js";
import type { Cluster, ClusterMap } from "./clusters.js";
import type { Qcow2Header } from "./header.js";

/** Unpacked clusters that are kept, in bytes: readers go on where they stopped. */
const KEPT_BYTES = 1024 * 1024;

export class Qcow2Disk extends ReadOnlyDisk {
  readonly description: string;
  readonly sectors: number;
  readonly #clusterBytes: number;
  readonly #unpacked = new Map<number, Uint8Array>();
  #closed = false;

  /** Takes the file and the backing disk over: they are closed with the disk. */
  constructor(
    private readonly file: ImageFile,
    private readonly header: Qcow2Header,
    private readonly map: ClusterMap,
    private readonly backing: Disk | null,
  ) {
    super();
    this.description = `qcow2 ${file.name}`;
    this.sectors = header.size / SECTOR_BYTES;
    this.#clusterBytes = 2 ** header.clusterBits;
  }

  read(sector: number, into: Segments, asker?: Asker): Pending {
    if (this.#closed) throw new StorageError("closed", "the disk is closed", { file: this.description });
    const end = (sector + checkRequest(this, sector, into)) * SECTOR_BYTES;
    const start = sector * SECTOR_BYTES;
    return together((waits) => {
      for (let at = start; at < end; ) {
        const offset = at % this.#clusterBytes;
        const length = Math.min(end - at, this.#clusterBytes - offset);
        const pending = this.#readCluster(at, offset, cutSegments(into, at - start, length), asker);
        if (pending instanceof Promise) waits.push(pending);
        at += length;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.file.close();
    await this.backing?.close();
  }

  #readCluster(at: number, offset: number, into: Segments, asker?: Asker): Pending {
    const cluster = this.map.find(Math.floor(at / this.#clusterBytes));
    if (!(cluster instanceof Promise)) return this.#readFound(cluster, at, offset, into, asker);
    return unlessGone(cluster, asker).then((found) => this.#readFound(found, at, offset, into, asker));
  }

  #readFound(cluster: Cluster, at: number, offset: number, into: Segments, asker?: Asker): Pending {
    switch (cluster.kind) {
      case "zero":
        return clearSegments(into);
      case "absent":
        return this.#readBacking(at / SECTOR_BYTES, into, asker);
      case "plain":
        return this.file.read(cluster.at + offset, into, asker);
      case "compressed": {
        const data = this.#unpacked.get(cluster.at) ?? this.#unpack(cluster.at, cluster.length);
        if (data instanceof Promise) return unlessGone(data, asker).then((bytes) => scatter(bytes, offset, into));
        return scatter(data, offset, into);
      }
    }
  }

  #readBacking(sector: number, into: Segments, asker?: Asker): Pending {
    const below = this.backing === null ? 0 : (this.backing.sectors - sector) * SECTOR_BYTES;
    if (below <= 0) return clearSegments(into);
    const length = segmentsLength(into);
    if (below >= length) return this.backing!.read(sector, into, asker);
    clearSegments(cutSegments(into, below, length - below));
    return this.backing!.read(sector, cutSegments(into, 0, below), asker);
  }

  #unpack(at: number, length: number): Uint8Array | Promise<Uint8Array> {
    const packed = new Uint8Array(length);
    const keep = (): Uint8Array => {
      const bytes = this.#decompress(packed, at);
      const [oldest] = this.#unpacked.keys();
      const most = Math.max(2, KEPT_BYTES / this.#clusterBytes);
      if (this.#unpacked.size >= most && oldest !== undefined) this.#unpacked.delete(oldest);
      this.#unpacked.set(at, bytes);
      return bytes;
    };
    const pending = this.file.read(at, [packed]);
    return pending instanceof Promise ? pending.then(keep) : keep();
  }

  #decompress(packed: Uint8Array, at: number): Uint8Array {
    const fail = (why: string): never => {
      const found = `offset ${at}: ${why}`;
      throw new StorageError("corrupt", "a compressed cluster is damaged", { file: this.file.name, found });
    };
    const bytes = this.header.compression === "zstd" ? this.#unzstd(packed, fail) : this.#inflate(packed, fail);
    return bytes.length === this.#clusterBytes ? bytes : fail(`${bytes.length} of ${this.#clusterBytes} bytes`);
  }

  #unzstd(packed: Uint8Array, fail: (why: string) => never): Uint8Array {
    const unpacked = decompressZstd(packed, this.#clusterBytes, { ignoreTrailing: true });
    return unpacked.ok ? unpacked.value : fail(unpacked.error.message);
  }

  #inflate(packed: Uint8Array, fail: (why: string) => never): Uint8Array {
    try {
      return inflateSync(packed, { out: new Uint8Array(this.#clusterBytes) });
    } catch (error) {
      return fail(error instanceof Error ? error.message : String(error));
    }
  }
}
