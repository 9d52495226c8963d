/**
 * Reads the hypervisor's log ring: records of console_io and of debug ports, each with the domain that wrote it. The
 * producers never wait; when we were too slow, `logTail` says where the oldest whole record begins.
 */
import { LOG_BYTES, LogKind, LogRecord } from "../../wasm-core/abi/structs/machine.js";
import { type CoreLink, machineView } from "../core-link/index.js";
import { byteString, type LogRing } from "../util/index.js";

const DOMID_RESERVED = 0x7ff0;
const LINE_MAX = 1024;
/** What Xen's own console drops of an HVM guest's output. */
const UNPRINTABLE = /[^\t\n\x20-\x7e]/g;

export class HypervisorLog {
  #cons = 0;
  /** Per domain, the line that is not finished yet. */
  readonly #partial = new Map<number, string>();

  constructor(
    private readonly core: CoreLink,
    private readonly log: LogRing,
    /** Takes what debug and serial ports wrote; false when that domain has nobody for it. */
    private readonly toSerial: (domid: number, bytes: Uint8Array) => void,
  ) {}

  /** Takes everything new out of the ring. */
  drain(): void {
    const machine = machineView(this.core);
    const base = machine.get("logBase");
    if (base === 0) return;
    for (let guard = 0; guard < LOG_BYTES / LogRecord.size; guard++) {
      const prod = machine.get("logProd");
      if (ahead(machine.get("logTail"), this.#cons)) this.#cons = machine.get("logTail");
      if (!ahead(prod, this.#cons)) return;
      this.#take(base, machine);
    }
  }

  #take(base: number, machine: { get(field: "logTail"): number }): void {
    const header = this.#copy(base, this.#cons, LogRecord.size);
    const view = new DataView(header.buffer);
    const domid = view.getUint16(LogRecord.off.domid, true);
    const kind = view.getUint16(LogRecord.off.kind, true);
    const length = Math.min(view.getUint32(LogRecord.off.length, true), LOG_BYTES);
    const bytes = this.#copy(base, this.#cons + LogRecord.size, length);
    // Overwritten while we copied: what we have is not a record. The next round starts at the new tail.
    if (ahead(machine.get("logTail"), this.#cons)) return;
    this.#cons = (this.#cons + LogRecord.size + ((length + 3) & ~3)) >>> 0;
    if (kind === Number(LogKind.values.CONSOLE)) this.#addText(domid, byteString(bytes));
    else this.toSerial(domid, bytes);
  }

  #copy(base: number, from: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const at = (from >>> 0) % LOG_BYTES;
    const first = Math.min(length, LOG_BYTES - at);
    bytes.set(this.core.memory.bytes(base + at, first));
    bytes.set(this.core.memory.bytes(base, length - first), first);
    return bytes;
  }

  /** Writes whole lines, cuts what would grow without end, and keeps control characters off people's terminals. */
  #addText(domid: number, text: string): void {
    const lines = ((this.#partial.get(domid) ?? "") + text.replace(UNPRINTABLE, "")).split("\n");
    const rest = lines.pop()!;
    const prefix = domid >= DOMID_RESERVED ? "(xen)" : `(d${domid})`;
    for (const line of lines) this.log.writeText(prefix, line);
    if (rest.length >= LINE_MAX) this.log.writeText(prefix, rest);
    if (rest === "" || rest.length >= LINE_MAX) this.#partial.delete(domid);
    else this.#partial.set(domid, rest);
  }
}

/** Whether free-running index `a` lies after `b`. */
const ahead = (a: number, b: number): boolean => ((a - b) | 0) > 0;
