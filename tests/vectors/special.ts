/** What single instructions need beyond random operands: addresses in registers, stack frames, counts, quotients that fit. */
import { CODE_AT, DATA_SELECTOR, FX, GUARD, OFF, PAGE_BOUNDARY } from "./layout.js";
import type { Sample } from "./sample.js";
import { extended, integer, integerBytes, lanes } from "./values.js";

const [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** TF and AC would act on the recorder itself; NT and ID are not restored by a signal's return. */
const NOT_LOADED = 0x244100n;
const SYSTEM_CALL = 0x80n;

const writtenSize = (s: Sample): number => (s.variant.size === 0 ? 8 : s.variant.size);
/** Bits of a stack slot. */
const slot = (s: Sample): number => (s.variant.size !== 0 ? s.variant.size : s.mode);

function put(s: Sample, address: bigint, value: bigint, bits: number): void {
  if (address < 0x100000000n) s.state.poke(Number(address), integerBytes(BigInt.asUintN(bits, value), bits));
}

/** A code address to go to: INT3 bytes lie there. */
const target = (s: Sample): bigint => s.reach.code(BigInt(CODE_AT + 0x100 + s.rng.below(64) * 4));

/** Puts RSP where this.place says, with room for `bytes` popped. */
function stackAt(s: Sample, bytes: number): bigint {
  const push = s.row.operands.every((o) => o.access === "r");
  let at = s.address(bytes);
  if (s.place === "into-guard" && push) at = BigInt(GUARD) + BigInt(bytes >> 1);
  s.state.setGpr(RSP, s.reach.stack(s, at));
  s.occupy(RSP);
  return at;
}

function branchTarget(s: Sample): void {
  const o = s.row.operands[0];
  if (o?.kind === "J") {
    const back = s.rng.once(2);
    const far = o.size === "z" ? 0x700 : 0x60;
    s.parts.immediates = [back ? -BigInt(0x20 + s.rng.below(far - 0x20 + 1)) : BigInt(s.rng.below(far))];
  }
}

function indirectTarget(s: Sample): void {
  if (s.variant.form === "reg") s.setGpr(s.parts.rm!, target(s));
  else put(s, s.ea, target(s), slot(s));
}

function returnFrame(s: Sample, values: readonly bigint[]): void {
  const bits = slot(s);
  const at = stackAt(s, (bits / 8) * values.length);
  for (const [i, v] of values.entries()) put(s, at + BigInt((i * bits) / 8), v, bits);
}

function farFrame(s: Sample, more: readonly bigint[] = []): void {
  const selector = BigInt(s.rng.once(8) ? s.rng.pick(s.reach.wrongCode) : s.reach.codeSelector);
  returnFrame(s, [target(s), selector, ...more]);
}

/** RSI and RDI in the windows, RCX small, the direction either way. */
function strings(s: Sample): void {
  const bytes = Math.max(1, writtenSize(s) / 8);
  const boundary = BigInt(PAGE_BOUNDARY);
  const spot = () => boundary + BigInt(s.rng.below(12) * 16 - 96 + s.rng.below(3) * bytes);
  const guard = BigInt(GUARD - bytes * s.rng.below(4));
  const faulty = s.place === "guard" || s.place === "into-guard";
  s.state.setGpr(RSI, s.reach.pointer(s, faulty && s.rng.once(2) ? guard : spot(), "ds"));
  s.state.setGpr(RDI, s.reach.pointer(s, faulty ? guard : spot(), "es"));
  if (s.variant.rep !== 0) s.state.setGpr(RCX, s.reach.count(s, BigInt(s.rng.below(7))));
  s.setGpr(RAX, s.rng.once(2) ? integer(s.rng, writtenSize(s)) : 0x4242424242424242n);
  if (s.rng.once(2)) s.state.bytes.fill(0x42, OFF.memory + 0x1a0, OFF.memory + 0x280);
  if (s.rng.once(3)) s.state.flags |= 0x400;
  if (s.mode === 64 && s.rng.once(10)) s.parts.address67 = true;
}

/** A dividend whose quotient mostly fits. */
function division(s: Sample): void {
  const bits = BigInt(writtenSize(s));
  const mask = (1n << bits) - 1n;
  const signed = s.row.mnemonic === "IDIV";
  const divisor = integer(s.rng, Number(bits)) & mask;
  const quotient = integer(s.rng, Number(bits)) & mask;
  const sized = (v: bigint) => (signed ? BigInt.asIntN(Number(bits), v) : v);
  const d = sized(divisor);
  const product = sized(quotient) * d + (d === 0n ? 0n : (BigInt(s.rng.u32()) % (d < 0n ? -d : d)) / 2n);
  if (bits === 8n) s.setGpr(RAX, (s.state.gpr(RAX) & ~0xffffn) | BigInt.asUintN(16, product));
  else {
    s.setGpr(RAX, BigInt.asUintN(64, (integer(s.rng, 64) & ~mask) | (product & mask)));
    s.setGpr(RDX, (product >> bits) & mask);
  }
  if (s.variant.form === "mem") put(s, s.ea, divisor, Number(bits));
  else s.setGpr(s.parts.rm!, divisor);
}

/** CMPXCHG: the accumulator equals the destination half of the time. */
function compareExchange(s: Sample): void {
  if (s.rng.once(2)) return;
  const bits = writtenSize(s);
  const value = integer(s.rng, bits);
  if (s.variant.form === "mem") put(s, s.ea, value, bits);
  else s.setGpr(s.parts.rm!, value);
  s.setGpr(RAX, value);
}

function compareExchangePair(s: Sample): void {
  const bits = s.variant.size === 64 ? 64 : 32;
  const pair = [integer(s.rng, bits), integer(s.rng, bits)] as const;
  put(s, s.ea, pair[0], bits);
  put(s, s.ea + BigInt(bits / 8), pair[1], bits);
  if (s.rng.once(2)) {
    s.setGpr(RAX, pair[0]);
    s.setGpr(RDX, pair[1]);
  }
}

/** BT with a register: the offset may reach beyond the operand in memory. */
function bitOffset(s: Sample): void {
  const reach = s.variant.form === "mem" ? (s.rng.once(2) ? 64 : 1500) : 64;
  const back = s.place !== "non-canonical" && s.rng.once(2);
  const offset = BigInt(s.rng.below(reach) - (back ? reach / 2 : 0));
  const upper = s.variant.form === "reg" && s.rng.once(2) ? s.rng.u64() & ~0xffffn : 0n;
  s.setGpr(s.parts.reg!, BigInt.asUintN(64, upper === 0n ? offset : upper | BigInt.asUintN(16, offset)));
}

function loopCount(s: Sample): void {
  s.setGpr(
    RCX,
    s.reach.count(s, s.rng.pick([0n, 1n, 2n, 0xffffffffn, 0x100000000n, 0x100000001n, 0x10000n, 0x10001n])),
  );
  if (s.mode === 64 && s.rng.once(3)) s.parts.address67 = true;
  branchTarget(s);
}

/** A legal environment and registers for FLDENV, FRSTOR, FXRSTOR. */
function x87Image(s: Sample): void {
  if (s.ea > 0xffffffffn) return;
  const at = Number(s.ea);
  const word = s.variant.size === 16 ? 2 : 4;
  const fcw = 0x37f & ~(s.rng.once(3) ? s.rng.below(64) : 0);
  let fsw = s.rng.u32() & 0x7f7f;
  if (s.rng.once(2)) fsw &= ~(~fcw & 0x3f);
  const environment = [fcw, fsw, s.rng.u32() & 0xffff, 0, 0, 0, 0];
  for (const [i, v] of environment.entries()) put(s, BigInt(at + i * word), BigInt(v), word * 8);
  for (let n = 0; n < 8; n++) s.state.poke(at + 7 * word + 10 * n, extended(s.rng));
}

function fxImage(s: Sample): void {
  const at = Number(s.ea);
  if (s.ea > 0xffffffffn) return;
  const image = s.state.bytes.slice(OFF.fx, OFF.fx + 416);
  for (let n = 0; n < 8; n++) image.set(extended(s.rng), FX.st + 16 * n);
  for (let n = 0; n < 16; n++) image.set(lanes(s.rng, 32), FX.xmm + 16 * n);
  const view = new DataView(image.buffer);
  view.setUint16(FX.fsw, s.rng.below(8) << 11, true);
  view.setUint8(FX.tags, s.rng.below(256));
  view.setUint32(FX.mxcsr, s.rng.once(4) ? s.rng.u32() : 0x1f80 | (s.rng.below(4) << 13), true);
  s.state.poke(at, image);
}

const flagsImage = (s: Sample): bigint => (s.rng.u64() & 0x1d7fd5n & ~NOT_LOADED) | 0x202n;

function interruptFrame(s: Sample): void {
  const more = s.mode === 64 ? [flagsImage(s), BigInt(PAGE_BOUNDARY), BigInt(DATA_SELECTOR)] : [flagsImage(s)];
  farFrame(s, more);
}

function farPointer(s: Sample): void {
  const bits = slot(s);
  const selector = BigInt(s.rng.once(6) ? s.rng.pick(s.reach.wrongCode) : s.reach.codeSelector);
  if (s.row.operands[0]?.kind === "A")
    s.parts.immediates = [(selector << BigInt(bits)) | (target(s) & ((1n << BigInt(bits)) - 1n))];
  else {
    put(s, s.ea, target(s), bits);
    put(s, s.ea + BigInt(bits / 8), selector, 16);
  }
  stackAt(s, 16);
}

function bounds(s: Sample): void {
  const bits = s.variant.size;
  const index = integer(s.rng, bits);
  s.setGpr(s.parts.reg!, index);
  put(s, s.ea, s.rng.once(3) ? integer(s.rng, bits) : index - 3n, bits);
  put(s, s.ea + BigInt(bits / 8), s.rng.once(3) ? integer(s.rng, bits) : index + 3n, bits);
}

function enter(s: Sample): void {
  stackAt(s, slot(s) / 8);
  s.setGpr(RBP, s.reach.stack(s, BigInt(PAGE_BOUNDARY + 0x60)));
  s.parts.immediates = [BigInt(s.rng.below(64)), s.rng.pick([0n, 0n, 1n, 2n, 3n, 33n])];
}

function moffs(s: Sample): void {
  const o = s.row.operands.find((x) => x.kind === "O")!;
  const bits = o.size === "b" ? 8 : writtenSize(s);
  s.ea = s.address(bits / 8);
  s.parts.immediates = [s.reach.pointer(s, s.ea, "ds")];
  put(s, s.ea, integer(s.rng, bits), bits);
}

function interruptNumber(s: Sample): void {
  let n = BigInt(s.rng.pick([0, 1, 3, 4, 0x20, 0x81, 0xff, s.rng.below(256)]));
  if (n === SYSTEM_CALL || n === 0x20n) n = 0x21n;
  s.parts.immediates = [n];
}

const popValue = (s: Sample): void => returnFrame(s, [integer(s.rng, slot(s))]);
const pushRoom = (s: Sample): void => void stackAt(s, slot(s) / 8);
const nearReturn = (s: Sample): void => returnFrame(s, [target(s)]);
const farReturn = (s: Sample): void => farFrame(s);

/** One after the other. */
const both =
  (first: (s: Sample) => void, second: (s: Sample) => void) =>
  (s: Sample): void => {
    first(s);
    second(s);
  };

/** Bytes that a return releases. */
const releases =
  (unit: number) =>
  (s: Sample): void => {
    s.parts.immediates = [BigInt(s.rng.below(8) * unit)];
  };

function leave(s: Sample): void {
  popValue(s);
  s.setGpr(RBP, s.state.gpr(RSP));
  s.setGpr(RSP, s.reach.stack(s, BigInt(PAGE_BOUNDARY)));
}

/** Explicit lengths, beyond the operand and negative ones among them. */
function stringLengths(s: Sample): void {
  s.setGpr(RAX, BigInt(s.rng.below(20)));
  s.setGpr(RDX, BigInt.asUintN(64, BigInt(s.rng.below(24) - 4)));
}

// biome-ignore format: groups of instructions a line
const BY_SEMANTIC: Readonly<Record<string, (s: Sample) => void>> = {
  div: division, idiv: division,
  cmpxchg: compareExchange, cmpxchgPair: compareExchangePair,
  bt: bitOffset, bts: bitOffset, btr: bitOffset, btc: bitOffset,
  jmp: branchTarget, jmpIndirect: indirectTarget, call: both(branchTarget, pushRoom), callIndirect: both(indirectTarget, pushRoom),
  ret: nearReturn, retPop: both(nearReturn, releases(4)),
  loop: loopCount, loope: loopCount, loopne: loopCount, jrcxz: loopCount,
  pushValue: pushRoom, pushf: pushRoom, pushAll: (s) => void stackAt(s, slot(s)),
  pushEs: pushRoom, pushCs: pushRoom, pushSs: pushRoom, pushDs: pushRoom, pushFs: pushRoom, pushGs: pushRoom,
  popReg: popValue, popRm: popValue, popAll: (s) => returnFrame(s, Array.from({ length: 8 }, () => integer(s.rng, slot(s)))),
  popf: (s) => returnFrame(s, [flagsImage(s)]),
  enter, leave,
  xlat: (s) => s.setGpr(RBX, s.reach.pointer(s, s.address(1) - BigInt(s.rng.below(2) * 0x40), "ds")),
  maskmovdqu: (s) => s.setGpr(RDI, s.address(16)), maskmovq: (s) => s.setGpr(RDI, s.address(8)),
  fldenv: x87Image, frstor: x87Image, fxrstor: fxImage,
  iret: interruptFrame, retFar: farReturn, retFarPop: both(farReturn, releases(4)),
  callFar: farPointer, jmpFar: farPointer, callFarMem: farPointer, jmpFarMem: farPointer,
  bound: bounds, intN: interruptNumber,
  popEs: selectorOperand, popSs: selectorOperand, popDs: selectorOperand, popFs: selectorOperand, popGs: selectorOperand,
  les: selectorOperand, lds: selectorOperand, lss: selectorOperand, lfs: selectorOperand, lgs: selectorOperand,
  movToSeg: selectorOperand, verr: selectorOperand, verw: selectorOperand, lar: selectorOperand, lsl: selectorOperand,
  pcmpestrm: stringLengths, pcmpestri: stringLengths,
};

/** A selector for the register that the row loads, in its operand, on the stack or behind a far pointer. */
function selectorOperand(s: Sample): void {
  if (s.reach.dataSelectors.length === 0) return;
  const selector = BigInt(s.rng.pick(s.reach.dataSelectors));
  if (s.module === "far") {
    put(s, s.ea + BigInt(s.variant.size / 8), selector, 16);
  } else if (s.row.mnemonic === "POP") returnFrame(s, [selector]);
  else if (s.variant.form === "mem") put(s, s.ea, selector, 16);
  else s.setGpr(s.parts.rm!, (s.rng.u64() & ~0xffffn) | selector);
}

/** Applies what the row's semantic asks for, after operands and memory are filled. */
export function specialise(s: Sample): void {
  if (s.module === "string") strings(s);
  else if (s.row.notes.has("jcc") && BY_SEMANTIC[s.row.semantic] === undefined) branchTarget(s);
  else if (s.row.operands.some((o) => o.kind === "O")) moffs(s);
  else BY_SEMANTIC[s.row.semantic]?.(s);
}
