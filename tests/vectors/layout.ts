/**
 * The address space and the machine state that vectors are recorded in and replayed from. record/record.c lays out the
 * same structures.
 */

/** Two writable pages; the page behind them is not mapped. */
export const DATA = 0x10000000;
export const DATA_BYTES = 0x2000;
export const GUARD = DATA + DATA_BYTES;
/** A page that may be read only. */
export const READ_ONLY = 0x10003000;
/** Code pages, filled with INT3. */
export const CODE = 0x20000000;
export const CODE_BYTES = 0x3000;
/** Where instructions stand unless a vector says otherwise. */
export const CODE_AT = CODE + 0x1000;
export const GS_BASE = 0x10001000;
export const FILL = 0xcc;
/** The parts of the data pages that vectors set and compare: around the page boundary, and before the unmapped page. */
export const WINDOWS = [
  { at: 0x10000e00, bytes: 1024 },
  { at: 0x10001f00, bytes: 256 },
] as const;
export const PAGE_BOUNDARY = 0x10001000;

/** Selectors while recording: 64-bit code of the kernel's, 32- and 16-bit code of the local descriptor table. */
export const CODE_SELECTOR = { 64: 0x33, 32: 0x07, 16: 0x0f } as const;
export const DATA_SELECTOR = 0x2b;

/** Offsets in a state. */
export const OFF = { gpr: 0, rip: 128, flags: 136, trap: 144, error: 148, cr2: 152, fx: 160, memory: 672 } as const;
/** Offsets in its FXSAVE image. [SDM] vol. 1, table 10-2 */
export const FX = { fcw: 0, fsw: 2, tags: 4, mxcsr: 24, st: 32, xmm: 160 } as const;
export const FX_BYTES = 416;
export const STATE_BYTES = OFF.memory + WINDOWS[0].bytes + WINDOWS[1].bytes;
export const ITEM_HEAD = 24;
export const ITEM_BYTES = ITEM_HEAD + STATE_BYTES;

/** Value of `trap` when the instruction completed. */
export const NO_TRAP = 0xffffffff;

export type Mode = 16 | 32 | 64;

/** A machine state as bytes, with views of its parts. */
export class State {
  readonly view: DataView;
  constructor(readonly bytes: Uint8Array = new Uint8Array(STATE_BYTES)) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  copy(): State {
    return new State(this.bytes.slice());
  }
  gpr(n: number): bigint {
    return this.view.getBigUint64(OFF.gpr + 8 * n, true);
  }
  setGpr(n: number, value: bigint): void {
    this.view.setBigUint64(OFF.gpr + 8 * n, value, true);
  }
  get rip(): bigint {
    return this.view.getBigUint64(OFF.rip, true);
  }
  set rip(value: bigint) {
    this.view.setBigUint64(OFF.rip, value, true);
  }
  get flags(): number {
    return this.view.getUint32(OFF.flags, true);
  }
  set flags(value: number) {
    this.view.setUint32(OFF.flags, value, true);
  }
  get trap(): number {
    return this.view.getUint32(OFF.trap, true);
  }
  set trap(value: number) {
    this.view.setUint32(OFF.trap, value, true);
  }
  get error(): number {
    return this.view.getUint32(OFF.error, true);
  }
  set error(value: number) {
    this.view.setUint32(OFF.error, value, true);
  }
  get cr2(): bigint {
    return this.view.getBigUint64(OFF.cr2, true);
  }
  set cr2(value: bigint) {
    this.view.setBigUint64(OFF.cr2, value, true);
  }
  get mxcsr(): number {
    return this.view.getUint32(OFF.fx + FX.mxcsr, true);
  }
  set mxcsr(value: number) {
    this.view.setUint32(OFF.fx + FX.mxcsr, value, true);
  }
  setXmm(n: number, value: Uint8Array): void {
    this.bytes.set(value, OFF.fx + FX.xmm + 16 * n);
  }
  /** Ten bytes of stack register `n`, counted from the top. */
  setSt(n: number, value: Uint8Array): void {
    this.bytes.set(value, OFF.fx + FX.st + 16 * n);
  }

  /** Writes memory; bytes outside the windows are dropped: nothing there is compared. */
  poke(address: number, value: Uint8Array): void {
    value.forEach((byte, i) => {
      const at = windowOffset(address + i);
      if (at >= 0) this.bytes[at] = byte;
    });
  }
}

/** Offset in a state of a memory byte, -1 outside the windows. */
export function windowOffset(address: number): number {
  let at: number = OFF.memory;
  for (const w of WINDOWS) {
    if (address >= w.at && address < w.at + w.bytes) return at + address - w.at;
    at += w.bytes;
  }
  return -1;
}

/** The state that every vector starts from: distinct values everywhere. */
export function baseState(): State {
  const s = new State();
  for (let n = 0; n < 16; n++) s.setGpr(n, 0x1032547698badc00n + BigInt(n) * 0x0101010101010101n);
  s.setGpr(4, BigInt(PAGE_BOUNDARY + 0x80));
  s.rip = BigInt(CODE_AT);
  s.flags = 0x202;
  const fx = OFF.fx;
  s.view.setUint16(fx + FX.fcw, 0x37f, true);
  s.mxcsr = 0x1f80;
  for (let n = 0; n < 16; n++) {
    for (let i = 0; i < 16; i++) s.bytes[fx + FX.xmm + 16 * n + i] = (n << 4) | i;
  }
  for (let i = OFF.memory; i < STATE_BYTES; i++) s.bytes[i] = (i * 7 + 3) & 0xff;
  return s;
}

/** One recorded instruction. */
export interface Vector {
  readonly mode: Mode;
  readonly code: Uint8Array;
  readonly before: State;
  readonly after: State;
}

const BREAKPOINT = 3;
/** INT3, and INT n with the number of a breakpoint. */
const OWN_BREAKPOINTS = ["204", "205,3"];

/** Takes the trap of the INT3 behind the instruction out of a state; the instruction's own stays. */
export function settleBreakpoint(v: { readonly code: Uint8Array; readonly before: State }, after: State): State {
  if (after.trap !== BREAKPOINT) return after;
  if (OWN_BREAKPOINTS.includes(v.code.join()) && after.rip === v.before.rip + BigInt(v.code.length)) return after;
  after.trap = NO_TRAP;
  after.rip = BigInt.asUintN(64, after.rip - 1n);
  return after;
}
