/** Where the clusters of a qcow2 image are: level 2 tables, loaded when needed, and their entries. [QCOW-FORMAT] "Cluster mapping" */
import { StorageError, toStorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import type { Qcow2Header } from "./header.js";

/** What holds a cluster: nothing, zeros, bytes of the file, or compressed bytes of the file. */
export type Cluster =
  | { readonly kind: "absent" | "zero" }
  | { readonly kind: "plain"; readonly at: number }
  | { readonly kind: "compressed"; readonly at: number; readonly length: number };

const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const READS_AS_ZERO = 1n;
const COMPRESSED_SECTOR = 512;
/** Bytes of tables that are kept. */
const KEPT_BYTES = 4 * 1024 * 1024;

export class ClusterMap {
  readonly #tables = new Map<number, DataView>();
  readonly #mostTables: number;
  readonly #entriesPerTable: number;

  constructor(
    private readonly file: ImageFile,
    private readonly header: Qcow2Header,
    private readonly l1: DataView,
  ) {
    this.#entriesPerTable = 2 ** (header.clusterBits - 3);
    this.#mostTables = Math.max(4, KEPT_BYTES >> header.clusterBits);
  }

  static async open(file: ImageFile, header: Qcow2Header): Promise<ClusterMap> {
    const bytes = new Uint8Array(header.l1Entries * 8);
    if (bytes.length > 0) await file.read(header.l1Offset, [bytes]);
    return new ClusterMap(file, header, new DataView(bytes.buffer));
  }

  /** A promise only when the file makes one wait. */
  find(cluster: number): Cluster | Promise<Cluster> {
    const l1Index = Math.floor(cluster / this.#entriesPerTable);
    const at = Number(this.l1.getBigUint64(l1Index * 8) & OFFSET_MASK);
    if (at === 0) return { kind: "absent" };
    const index = cluster % this.#entriesPerTable;
    const table = this.#tables.get(at) ?? this.#load(at, l1Index);
    if (table instanceof Promise) return table.then((loaded) => this.#entry(loaded, index, cluster));
    return this.#entry(table, index, cluster);
  }

  /** What is wrong with the tables: as many faults as `most`. */
  async faults(most: number): Promise<StorageError[]> {
    const faults: StorageError[] = [];
    for (let l1Index = 0; l1Index < this.header.l1Entries && faults.length < most; l1Index++) {
      const at = Number(this.l1.getBigUint64(l1Index * 8) & OFFSET_MASK);
      const table = at === 0 ? null : await this.#tried(faults, () => this.#load(at, l1Index));
      if (table === null) continue;
      for (let index = 0; index < this.#entriesPerTable && faults.length < most; index++) {
        await this.#tried(faults, () => this.#entry(table, index, l1Index * this.#entriesPerTable + index));
      }
    }
    return faults;
  }

  async #tried<T>(faults: StorageError[], look: () => T | Promise<T>): Promise<T | null> {
    try {
      return await look();
    } catch (error) {
      faults.push(toStorageError(error, this.file.name));
      return null;
    }
  }

  #load(at: number, l1Index: number): DataView | Promise<DataView> {
    const bytes = new Uint8Array(this.#entriesPerTable * 8);
    this.#checkInside(at, bytes.length, `L1 table, entry ${l1Index}`);
    const keep = (): DataView => {
      const [oldest] = this.#tables.keys();
      if (this.#tables.size >= this.#mostTables && oldest !== undefined) this.#tables.delete(oldest);
      const table = new DataView(bytes.buffer);
      this.#tables.set(at, table);
      return table;
    };
    const pending = this.file.read(at, [bytes]);
    return pending instanceof Promise ? pending.then(keep) : keep();
  }

  #entry(table: DataView, index: number, cluster: number): Cluster {
    const entry = table.getBigUint64(index * 8);
    const { clusterBits } = this.header;
    if ((entry & COMPRESSED) !== 0n) {
      const offsetBits = BigInt(62 - (clusterBits - 8));
      const at = Number(entry & ((1n << offsetBits) - 1n));
      const sectors = Number((entry & (COMPRESSED - 1n)) >> offsetBits) + 1;
      const end = (Math.floor(at / COMPRESSED_SECTOR) + sectors) * COMPRESSED_SECTOR;
      this.#checkInside(at, 1, `L2 table, cluster ${cluster}`);
      // The last sector of the file may be cut.
      return { kind: "compressed", at, length: Math.min(end, this.file.size) - at };
    }
    if ((entry & READS_AS_ZERO) !== 0n) return { kind: "zero" };
    const at = Number(entry & OFFSET_MASK);
    if (at === 0) return { kind: "absent" };
    this.#checkInside(at, 1, `L2 table, cluster ${cluster}`);
    return { kind: "plain", at };
  }

  #checkInside(at: number, length: number, field: string): void {
    const isAligned = length === 1 || at % 2 ** this.header.clusterBits === 0;
    if (isAligned && at + length <= this.file.size) return;
    const found = `offset ${at}`;
    const expected = `below ${this.file.size}, tables at whole clusters`;
    throw new StorageError("corrupt", "a table entry points nowhere", { file: this.file.name, field, found, expected });
  }
}
