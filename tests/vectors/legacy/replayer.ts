/** Runs recorded 16- and 32-bit vectors on the core. */
import { Vcpu } from "../../../wasm-core/abi/structs/vcpu.js";
import type { TestCore } from "../../support/core.js";
import { CODE_BYTES, DATA, FILL, NO_TRAP, OFF, State, settleBreakpoint, type Vector, WINDOWS } from "../layout.js";
import { LegacyMachine } from "./machine.js";
import { linearCode } from "./reach.js";
import { codeBase, dropFrame, kindOf, PHYSICAL, putSetting, selectorsOf } from "./settings.js";

const PAGE = 4096;
const RSP = 4;
const PAGE_FAULT = 14;
const CS = 1;

/** Windows cut at page boundaries: offset in a state, guest-physical address, bytes. */
const PIECES = (() => {
  const out: { at: number; gpa: number; bytes: number }[] = [];
  let at: number = OFF.memory;
  for (const w of WINDOWS) {
    for (let done = 0; done < w.bytes; ) {
      const gpa = w.at + done - DATA + PHYSICAL.data;
      const bytes = Math.min(w.bytes - done, PAGE - (gpa % PAGE));
      out.push({ at: at + done, gpa, bytes });
      done += bytes;
    }
    at += w.bytes;
  }
  return out;
})();

/** Engine and memory for vectors. */
export class LegacyReplayer {
  protected readonly machine: LegacyMachine;
  private readonly memory: Uint8Array;
  private readonly view: DataView;
  private lastCode = "";
  private readonly got = new State();

  constructor(core: TestCore, frames?: number) {
    this.machine = new LegacyMachine(core, frames);
    this.memory = new Uint8Array(core.memory.buffer);
    this.view = new DataView(core.memory.buffer);
    for (let at = 0; at < CODE_BYTES; at += PAGE) {
      const host = this.machine.at(PHYSICAL.code + at);
      this.memory.fill(FILL, host, host + PAGE);
    }
  }

  private placeCode(v: Vector): void {
    const kind = kindOf(v.before);
    const offset = linearCode(kind, selectorsOf(v.before)[CS]!, v.before.rip) - codeBase(kind);
    const key = `${offset}:${v.code.join()}`;
    if (key === this.lastCode) return;
    this.lastCode = key;
    const host = this.machine.at(PHYSICAL.code + offset);
    const page = host - (offset % PAGE);
    this.machine.forgetCode(page);
    this.memory.fill(FILL, page, page + PAGE);
    this.memory.set(v.code, host);
  }

  private load(s: State): void {
    const { cpu } = this.machine;
    this.memory.set(s.bytes.subarray(OFF.gpr, OFF.gpr + 64), cpu + Vcpu.off.gpr);
    this.memory.fill(0, cpu + Vcpu.off.gpr + 64, cpu + Vcpu.off.gpr + 128);
    this.view.setBigUint64(cpu + Vcpu.off.rip, s.rip, true);
    this.view.setUint32(cpu + Vcpu.off.eflags, s.flags, true);
    for (const p of PIECES) this.memory.set(s.bytes.subarray(p.at, p.at + p.bytes), this.machine.at(p.gpa));
  }

  /** The state after the vector's instruction. Valid until the next run. */
  run(v: Vector): State {
    const { got, machine } = this;
    const { cpu } = machine;
    this.placeCode(v);
    machine.enter(kindOf(v.before), selectorsOf(v.before));
    this.load(v.before);
    const o = machine.run();
    machine.checkFlat();
    got.bytes.set(v.before.bytes);
    got.bytes.set(this.memory.subarray(cpu + Vcpu.off.gpr, cpu + Vcpu.off.gpr + 64), OFF.gpr);
    got.setGpr(RSP, o.rsp);
    got.rip = o.rip;
    got.flags = o.flags;
    got.trap = o.trap;
    got.error = o.error;
    got.cr2 = o.trap === PAGE_FAULT ? this.view.getBigUint64(cpu + Vcpu.off.cr2, true) : 0n;
    const [es, cs, ss, ds, fs, gs] = o.selectors as [number, number, number, number, number, number];
    putSetting(got, kindOf(v.before), { es, cs, ss, ds, fs, gs });
    for (const p of PIECES) {
      const host = machine.at(p.gpa);
      got.bytes.set(this.memory.subarray(host, host + p.bytes), p.at);
    }
    dropFrame(got);
    return o.trap === NO_TRAP ? got : settleBreakpoint(v, got);
  }
}
