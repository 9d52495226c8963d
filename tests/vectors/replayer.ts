/** Runs recorded vectors on the core: puts the before state into a vCPU, runs one instruction, takes the state after. */
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import type { TestCore } from "../support/core.js";
import { type Exception, fprOffset, LongModeMachine, xmmOffset } from "../support/machine.js";
import {
  CODE,
  CODE_BYTES,
  DATA,
  DATA_BYTES,
  FILL,
  FX,
  GS_BASE,
  NO_TRAP,
  OFF,
  READ_ONLY,
  State,
  settleBreakpoint,
  type Vector,
  WINDOWS,
} from "./layout.js";

const PAGE = 4096;
const { off } = Vcpu;

/** Where the parts of the windows lie: offset in a state, machine address, bytes. */
interface Piece {
  readonly at: number;
  readonly host: number;
  readonly bytes: number;
}

function piecesOf(pages: readonly number[]): Piece[] {
  const out: Piece[] = [];
  let at: number = OFF.memory;
  for (const w of WINDOWS) {
    for (let done = 0; done < w.bytes; ) {
      const offset = w.at + done - DATA;
      const bytes = Math.min(w.bytes - done, PAGE - (offset % PAGE));
      out.push({ at: at + done, host: pages[Math.floor(offset / PAGE)]! + (offset % PAGE), bytes });
      done += bytes;
    }
    at += w.bytes;
  }
  return out;
}

/** Engine and address space for vectors. */
export class Replayer {
  protected readonly machine: LongModeMachine;
  private readonly pieces: Piece[];
  private readonly codePages: number[];
  protected readonly memory: Uint8Array;
  private readonly view: DataView;
  private lastCode = "";
  private readonly got = new State();

  constructor(core: TestCore, frames?: number, ramPages?: number) {
    this.machine = new LongModeMachine(core, frames, ramPages);
    this.pieces = piecesOf(this.machine.mapUser({ linear: DATA, bytes: DATA_BYTES, writable: true }));
    this.machine.mapUser({ linear: READ_ONLY, bytes: PAGE, writable: false });
    this.codePages = this.machine.mapUser({ linear: CODE, bytes: CODE_BYTES, writable: true });
    this.memory = new Uint8Array(core.memory.buffer);
    this.view = new DataView(core.memory.buffer);
    for (const page of this.codePages) this.memory.fill(FILL, page, page + PAGE);
  }

  protected placeCode(v: Vector): void {
    const key = `${v.before.rip}:${v.code.join()}`;
    if (key === this.lastCode) return;
    this.lastCode = key;
    const host = this.codeHost(v);
    const page = host & ~(PAGE - 1);
    this.machine.forgetCode(page);
    this.memory.fill(FILL, page, page + PAGE);
    this.memory.set(v.code, host);
  }

  /** Machine address of the vector's code. */
  protected codeHost(v: Vector): number {
    const offset = Number(v.before.rip) - CODE;
    return this.codePages[Math.floor(offset / PAGE)]! + (offset % PAGE);
  }

  private load(s: State): void {
    const cpu = this.machine.cpu;
    this.memory.set(s.bytes.subarray(OFF.gpr, OFF.gpr + 128), cpu + off.gpr);
    this.view.setBigUint64(cpu + off.rip, s.rip, true);
    this.view.setUint32(cpu + off.eflags, s.flags, true);
    this.view.setUint16(cpu + off.fcw, s.view.getUint16(OFF.fx + FX.fcw, true), true);
    const fsw = s.view.getUint16(OFF.fx + FX.fsw, true);
    this.view.setUint16(cpu + off.fsw, fsw, true);
    const used = s.view.getUint8(OFF.fx + FX.tags);
    let tags = 0;
    for (let n = 0; n < 8; n++) if (!((used >> n) & 1)) tags |= 3 << (2 * n);
    this.view.setUint16(cpu + off.ftw, tags, true);
    for (let n = 0; n < 8; n++) {
      const from = OFF.fx + FX.st + 16 * n;
      this.memory.set(s.bytes.subarray(from, from + 10), cpu + fprOffset(((fsw >> 11) + n) & 7));
    }
    for (let n = 0; n < 16; n++) {
      const from = OFF.fx + FX.xmm + 16 * n;
      this.memory.set(s.bytes.subarray(from, from + 16), cpu + xmmOffset(n));
    }
    this.view.setUint32(cpu + off.mxcsr, s.mxcsr, true);
    for (const p of this.pieces) this.memory.set(s.bytes.subarray(p.at, p.at + p.bytes), p.host);
  }

  private save(before: State, e: Exception | null): State {
    const cpu = this.machine.cpu;
    const { got, memory, view } = this;
    got.bytes.set(before.bytes);
    got.bytes.set(memory.subarray(cpu + off.gpr, cpu + off.gpr + 128), OFF.gpr);
    got.rip = e === null ? view.getBigUint64(cpu + off.rip, true) : e.rip;
    got.flags = e === null ? view.getUint32(cpu + off.eflags, true) : Number(e.rflags);
    got.trap = e === null ? NO_TRAP : e.vector;
    got.error = e === null ? 0 : e.error;
    got.cr2 = e !== null && e.vector === 14 ? view.getBigUint64(cpu + off.cr2, true) : 0n;
    if (e !== null) got.setGpr(4, e.rsp);
    const fsw = view.getUint16(cpu + off.fsw, true);
    got.view.setUint16(OFF.fx + FX.fcw, view.getUint16(cpu + off.fcw, true), true);
    got.view.setUint16(OFF.fx + FX.fsw, fsw, true);
    const tags = view.getUint16(cpu + off.ftw, true);
    let used = 0;
    for (let n = 0; n < 8; n++) if (((tags >> (2 * n)) & 3) !== 3) used |= 1 << n;
    got.view.setUint8(OFF.fx + FX.tags, used);
    for (let n = 0; n < 8; n++) {
      const from = cpu + fprOffset(((fsw >> 11) + n) & 7);
      got.bytes.set(memory.subarray(from, from + 10), OFF.fx + FX.st + 16 * n);
    }
    for (let n = 0; n < 16; n++) {
      const from = cpu + xmmOffset(n);
      got.bytes.set(memory.subarray(from, from + 16), OFF.fx + FX.xmm + 16 * n);
    }
    got.mxcsr = view.getUint32(cpu + off.mxcsr, true);
    for (const p of this.pieces) got.bytes.set(memory.subarray(p.host, p.host + p.bytes), p.at);
    return got;
  }

  /** The state after the vector's instruction. Valid until the next run. */
  run(v: Vector): State {
    if (v.mode === 16) throw new Error("16-bit vectors are not replayed");
    this.placeCode(v);
    this.machine.enterUser(v.mode, BigInt(GS_BASE));
    this.load(v.before);
    this.machine.refresh();
    return settleBreakpoint(v, this.save(v.before, this.machine.run()));
  }
}
