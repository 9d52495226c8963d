/** Integer arithmetic and logic: ADD to CMP, INC, DEC, NEG, NOT, XADD, CMPXCHG, ADX and the BCD adjustments. [SDM] vol. 2. */
import { CcOp, Status, Vcpu } from "../gen/layout";
import { raise, Vector } from "../cpu/faults";
import { af, cf, Flag, materialize, overflow, setLazy, setLogic, setSome } from "../cpu/flags";
import { getReg, Gpr, setReg } from "../cpu/regs";
import { Rec } from "../decode/record";
import { Door, memAligned, memDone, memRW } from "../mmu/access";
import { canLock, splitLock, splitUnlock } from "./glue";

@inline
export function add<T>(cpu: Vcpu, a: T, b: T): T {
  const r = (a + b) as T;
  setLazy<T>(cpu, CcOp.ADD, b, r);
  return r;
}

@inline
export function sub<T>(cpu: Vcpu, a: T, b: T): T {
  const r = (a - b) as T;
  setLazy<T>(cpu, CcOp.SUB, b, r);
  return r;
}

@inline
export function cmp<T>(cpu: Vcpu, a: T, b: T): void {
  setLazy<T>(cpu, CcOp.SUB, b, (a - b) as T);
}

export function adc<T>(cpu: Vcpu, a: T, b: T): T {
  if (!cf(cpu)) return add<T>(cpu, a, b);
  const r = (a + b + (1 as T)) as T;
  setLazy<T>(cpu, CcOp.ADC, b, r);
  return r;
}

export function sbb<T>(cpu: Vcpu, a: T, b: T): T {
  if (!cf(cpu)) return sub<T>(cpu, a, b);
  const r = (a - b - (1 as T)) as T;
  setLazy<T>(cpu, CcOp.SBB, b, r);
  return r;
}

@inline
export function and<T>(cpu: Vcpu, a: T, b: T): T {
  const r = (a & b) as T;
  setLogic<T>(cpu, r);
  return r;
}

@inline
export function or<T>(cpu: Vcpu, a: T, b: T): T {
  const r = (a | b) as T;
  setLogic<T>(cpu, r);
  return r;
}

@inline
export function xor<T>(cpu: Vcpu, a: T, b: T): T {
  const r = (a ^ b) as T;
  setLogic<T>(cpu, r);
  return r;
}

@inline
export function test<T>(cpu: Vcpu, a: T, b: T): void {
  setLogic<T>(cpu, (a & b) as T);
}

@inline
export function not<T>(cpu: Vcpu, a: T): T {
  return ~a as T;
}

export function neg<T>(cpu: Vcpu, a: T): T {
  const r = (0 - a) as T;
  setLazy<T>(cpu, CcOp.SUB, a, r);
  return r;
}

export function inc<T>(cpu: Vcpu, a: T): T {
  const carry = cf(cpu);
  const r = (a + (1 as T)) as T;
  setLazy<T>(cpu, CcOp.INC, 0 as T, r);
  cpu.ccSrc = <u64>carry;
  return r;
}

export function dec<T>(cpu: Vcpu, a: T): T {
  const carry = cf(cpu);
  const r = (a - (1 as T)) as T;
  setLazy<T>(cpu, CcOp.DEC, 0 as T, r);
  cpu.ccSrc = <u64>carry;
  return r;
}

export function xadd<T>(cpu: Vcpu, rec: Rec, a: T, b: T): T {
  // The register is written first: with one register on both sides the sum wins.
  setReg<T>(cpu, rec.reg, a);
  return add<T>(cpu, a, b);
}

function compareAccumulator<T>(cpu: Vcpu, old: T, rec: Rec): bool {
  const acc = getReg<T>(cpu, Gpr.RAX);
  cmp<T>(cpu, acc, old);
  return acc == old;
}

export function cmpxchg<T>(cpu: Vcpu, rec: Rec, isMem: bool, isLock: bool): i32 {
  const src = getReg<T>(cpu, rec.reg);
  const acc = getReg<T>(cpu, Gpr.RAX);
  if (!isMem) {
    if (isLock) return raise(cpu, Vector.UD);
    const old = getReg<T>(cpu, rec.rm);
    if (compareAccumulator<T>(cpu, old, rec)) setReg<T>(cpu, rec.rm, src);
    else setReg<T>(cpu, Gpr.RAX, old);
    return Status.NEXT;
  }
  const m = memRW(cpu, rec, sizeof<T>());
  if (m == 0) return Status.FAULT;
  let old: T;
  if (isLock && canLock(cpu, m, sizeof<T>())) {
    old = atomic.cmpxchg<T>(m, acc, src);
  } else {
    if (isLock) splitLock(cpu, m);
    old = load<T>(m);
    // Memory is written in either case, as on hardware.
    store<T>(m, old == acc ? src : old);
    memDone(cpu, m);
    if (isLock) splitUnlock(cpu);
  }
  if (!compareAccumulator<T>(cpu, old, rec)) setReg<T>(cpu, Gpr.RAX, old);
  return Status.NEXT;
}

/** CMPXCHG8B (T = u32) and CMPXCHG16B (T = u64): RDX:RAX against memory, RCX:RBX stored. */
export function cmpxchgPair<T>(cpu: Vcpu, rec: Rec, isLock: bool): i32 {
  const m = sizeof<T>() == 8 ? memAligned(cpu, rec, Door.UPDATE) : memRW(cpu, rec, 8);
  if (m == 0) return Status.FAULT;
  let equal: bool;
  if (sizeof<T>() == 4) {
    const expected = (<u64>getReg<u32>(cpu, Gpr.RAX)) | ((<u64>getReg<u32>(cpu, Gpr.RDX)) << 32);
    const wanted = (<u64>getReg<u32>(cpu, Gpr.RBX)) | ((<u64>getReg<u32>(cpu, Gpr.RCX)) << 32);
    let old: u64;
    if (canLock(cpu, m, 8)) old = atomic.cmpxchg<u64>(m, expected, wanted);
    else {
      splitLock(cpu, m);
      old = load<u64>(m);
      store<u64>(m, old == expected ? wanted : old);
      memDone(cpu, m);
      splitUnlock(cpu);
    }
    equal = old == expected;
    if (!equal) {
      setReg<u32>(cpu, Gpr.RAX, <u32>old);
      setReg<u32>(cpu, Gpr.RDX, <u32>(old >> 32));
    }
  } else {
    // WebAssembly has no 16-byte compare-and-swap: the machine's split lock orders it against its own kind.
    splitLock(cpu, m);
    const lo = load<u64>(m);
    const hi = load<u64>(m, 8);
    equal = lo == getReg<u64>(cpu, Gpr.RAX) && hi == getReg<u64>(cpu, Gpr.RDX);
    if (equal) {
      store<u64>(m, getReg<u64>(cpu, Gpr.RBX));
      store<u64>(m, getReg<u64>(cpu, Gpr.RCX), 8);
    } else {
      setReg<u64>(cpu, Gpr.RAX, lo);
      setReg<u64>(cpu, Gpr.RDX, hi);
    }
    memDone(cpu, m);
    splitUnlock(cpu);
  }
  setSome(cpu, Flag.ZF, equal ? Flag.ZF : 0);
  return Status.NEXT;
}

export function adcx<T>(cpu: Vcpu, a: T, b: T): T {
  const carry = (cf(cpu) ? 1 : 0) as T;
  const sum = (a + b) as T;
  const r = (sum + carry) as T;
  setSome(cpu, Flag.CF, sum < a || r < sum ? Flag.CF : 0);
  return r;
}

export function adox<T>(cpu: Vcpu, a: T, b: T): T {
  const carry = (overflow(cpu) ? 1 : 0) as T;
  const sum = (a + b) as T;
  const r = (sum + carry) as T;
  setSome(cpu, Flag.OF, sum < a || r < sum ? Flag.OF : 0);
  return r;
}

// --- BCD

/** ZF, SF and PF of a byte, with the given carries. */
function byteFlags(cpu: Vcpu, v: u8, carry: bool, adjust: bool): void {
  setLogic<u8>(cpu, v);
  materialize(cpu);
  cpu.eflags |= (carry ? Flag.CF : 0) | (adjust ? Flag.AF : 0);
}

export function daa(cpu: Vcpu, rec: Rec): i32 {
  return decimalAdjust(cpu, false);
}

export function das(cpu: Vcpu, rec: Rec): i32 {
  return decimalAdjust(cpu, true);
}

function decimalAdjust(cpu: Vcpu, subtract: bool): i32 {
  const old = getReg<u8>(cpu, Gpr.RAX);
  const oldCarry = cf(cpu);
  const adjust = (old & 15) > 9 || af(cpu);
  let carry = false;
  let al = <u32>old;
  if (adjust) {
    al = subtract ? al - 6 : al + 6;
    carry = oldCarry || al > 0xff;
  }
  if (old > 0x99 || oldCarry) {
    al = subtract ? al - 0x60 : al + 0x60;
    carry = true;
  } else if (!subtract) carry = false;
  setReg<u8>(cpu, Gpr.RAX, <u8>al);
  byteFlags(cpu, <u8>al, carry, adjust);
  return Status.NEXT;
}

export function aaa(cpu: Vcpu, rec: Rec): i32 {
  return asciiAdjust(cpu, 0x106);
}

export function aas(cpu: Vcpu, rec: Rec): i32 {
  return asciiAdjust(cpu, -0x106);
}

function asciiAdjust(cpu: Vcpu, step: i32): i32 {
  const ax = getReg<u16>(cpu, Gpr.RAX);
  const adjust = (ax & 15) > 9 || af(cpu);
  const r = <u16>(adjust ? <i32>ax + step : <i32>ax);
  setReg<u16>(cpu, Gpr.RAX, r & 0xff0f);
  byteFlags(cpu, <u8>(r & 15), adjust, adjust);
  return Status.NEXT;
}

export function aam(cpu: Vcpu, rec: Rec, base: u8): i32 {
  if (base == 0) return raise(cpu, Vector.DE);
  const al = getReg<u8>(cpu, Gpr.RAX);
  const r = (<u16>(al % base)) | ((<u16>(al / base)) << 8);
  setReg<u16>(cpu, Gpr.RAX, r);
  byteFlags(cpu, <u8>r, false, false);
  return Status.NEXT;
}

export function aad(cpu: Vcpu, rec: Rec, base: u8): i32 {
  const ax = getReg<u16>(cpu, Gpr.RAX);
  const r = <u8>((ax & 0xff) + (ax >> 8) * <u16>base);
  setReg<u16>(cpu, Gpr.RAX, <u16>r);
  byteFlags(cpu, r, false, false);
  return Status.NEXT;
}
