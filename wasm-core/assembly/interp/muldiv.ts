/** Multiplication and division. [SDM] vol. 2. */
import { CcOp, Status, Vcpu } from "../gen/layout";
import { raise, Vector } from "../cpu/faults";
import { setLazy } from "../cpu/flags";
import { getReg, Gpr, setReg } from "../cpu/regs";
import { Rec } from "../decode/record";

/** High half of the unsigned 128-bit product. */
export function mulHigh(a: u64, b: u64): u64 {
  const aLo = a & 0xffffffff;
  const aHi = a >> 32;
  const bLo = b & 0xffffffff;
  const bHi = b >> 32;
  const mid = aHi * bLo + ((aLo * bLo) >> 32);
  const mid2 = aLo * bHi + (mid & 0xffffffff);
  return aHi * bHi + (mid >> 32) + (mid2 >> 32);
}

/** High half of the signed product. */
export function mulHighSigned(a: i64, b: i64): i64 {
  return <i64>mulHigh(<u64>a, <u64>b) - (a < 0 ? b : 0) - (b < 0 ? a : 0);
}

/** Writes a double-width product: AX for bytes, rDX:rAX otherwise. */
function setProduct<T>(cpu: Vcpu, lo: T, hi: T): void {
  if (sizeof<T>() == 1) setReg<u16>(cpu, Gpr.RAX, (<u16>lo) | ((<u16>hi) << 8));
  else {
    setReg<T>(cpu, Gpr.RAX, lo);
    setReg<T>(cpu, Gpr.RDX, hi);
  }
}

function productFlags<T>(cpu: Vcpu, lo: T, overflow: bool): void {
  setLazy<T>(cpu, CcOp.MUL, (overflow ? 1 : 0) as T, lo);
}

export function mul<T>(cpu: Vcpu, rec: Rec, a: T): i32 {
  const b = getReg<T>(cpu, Gpr.RAX);
  const lo = (a * b) as T;
  const hi = sizeof<T>() == 8 ? (mulHigh(<u64>a, <u64>b) as T) : (((<u64>a * <u64>b) >> (sizeof<T>() * 8)) as T);
  setProduct<T>(cpu, lo, hi);
  productFlags<T>(cpu, lo, hi != 0);
  return Status.NEXT;
}

/** Sign-extends the low sizeof<T> bytes. */
@inline
function signed<T>(a: T): i64 {
  return (<i64>((<u64>a) << (64 - sizeof<T>() * 8))) >> (64 - sizeof<T>() * 8);
}

export function imul<T>(cpu: Vcpu, rec: Rec, a: T): i32 {
  const x = signed<T>(a);
  const y = signed<T>(getReg<T>(cpu, Gpr.RAX));
  const lo = (x * y) as T;
  const hi = sizeof<T>() == 8 ? (mulHighSigned(x, y) as T) : (((x * y) >> (sizeof<T>() * 8)) as T);
  setProduct<T>(cpu, lo, hi);
  productFlags<T>(cpu, lo, signed<T>(hi) != signed<T>(lo) >> 63);
  return Status.NEXT;
}

/** Two- and three-operand IMUL. */
export function imul2<T>(cpu: Vcpu, a: T, b: T): T {
  const x = signed<T>(a);
  const y = signed<T>(b);
  const lo = (x * y) as T;
  const overflow = sizeof<T>() == 8 ? mulHighSigned(x, y) != signed<T>(lo) >> 63 : x * y != signed<T>(lo);
  productFlags<T>(cpu, lo, overflow);
  return lo;
}

/** MULX: no flags; the low half goes to VEX.vvvv first, so that one register for both keeps the high half. */
export function mulx<T>(cpu: Vcpu, rec: Rec, b: T, a: T): T {
  const src = getReg<T>(cpu, Gpr.RDX);
  setReg<T>(cpu, <usize>((<u32>rec.imm) >> 24), (a * src) as T);
  return sizeof<T>() == 8 ? (mulHigh(<u64>a, <u64>src) as T) : (((<u64>a * <u64>src) >> 32) as T);
}

export function div<T>(cpu: Vcpu, rec: Rec, a: T): i32 {
  if (a == 0) return raise(cpu, Vector.DE);
  if (sizeof<T>() == 8) return div128(cpu, <u64>a);
  const width: u64 = sizeof<T>() * 8;
  const pair = (<u64>getReg<T>(cpu, Gpr.RAX)) | ((<u64>getReg<T>(cpu, Gpr.RDX)) << width);
  const n = sizeof<T>() == 1 ? <u64>getReg<u16>(cpu, Gpr.RAX) : pair;
  const q = n / <u64>a;
  if (q > <u64>(<T>(<u64>-1))) return raise(cpu, Vector.DE);
  setProduct<T>(cpu, q as T, (n % <u64>a) as T);
  return Status.NEXT;
}

export function idiv<T>(cpu: Vcpu, rec: Rec, a: T): i32 {
  if (a == 0) return raise(cpu, Vector.DE);
  const d = signed<T>(a);
  if (sizeof<T>() == 8) return idiv128(cpu, d);
  const n =
    sizeof<T>() == 1
      ? <i64>(<i16>getReg<u16>(cpu, Gpr.RAX))
      : sizeof<T>() == 2
        ? <i64>(<i32>((<u32>getReg<u16>(cpu, Gpr.RAX)) | ((<u32>getReg<u16>(cpu, Gpr.RDX)) << 16)))
        : <i64>((<u64>getReg<u32>(cpu, Gpr.RAX)) | ((<u64>getReg<u32>(cpu, Gpr.RDX)) << 32));
  // The one signed division that a processor cannot represent.
  if (d == -1 && n == i64.MIN_VALUE) return raise(cpu, Vector.DE);
  const q = n / d;
  if (signed<T>(q as T) != q) return raise(cpu, Vector.DE);
  setProduct<T>(cpu, q as T, (n % d) as T);
  return Status.NEXT;
}

function div128(cpu: Vcpu, d: u64): i32 {
  const hi = getReg<u64>(cpu, Gpr.RDX);
  const lo = getReg<u64>(cpu, Gpr.RAX);
  if (hi >= d) return raise(cpu, Vector.DE);
  const q = hi == 0 ? lo / d : divideWide(hi, lo, d);
  setReg<u64>(cpu, Gpr.RAX, q);
  setReg<u64>(cpu, Gpr.RDX, lo - q * d);
  return Status.NEXT;
}

function idiv128(cpu: Vcpu, d: i64): i32 {
  let hi = getReg<u64>(cpu, Gpr.RDX);
  let lo = getReg<u64>(cpu, Gpr.RAX);
  const negative = <i64>hi < 0;
  if (negative) {
    lo = 0 - lo;
    hi = ~hi + (lo == 0 ? 1 : 0);
  }
  const m = d < 0 ? <u64>(0 - d) : <u64>d;
  if (hi >= m) return raise(cpu, Vector.DE);
  const q = hi == 0 ? lo / m : divideWide(hi, lo, m);
  const r = lo - q * m;
  const opposite = negative != d < 0;
  if (q > (opposite ? (<u64>1) << 63 : 0x7fffffffffffffff)) return raise(cpu, Vector.DE);
  setReg<u64>(cpu, Gpr.RAX, opposite ? 0 - q : q);
  setReg<u64>(cpu, Gpr.RDX, negative ? 0 - r : r);
  return Status.NEXT;
}

/** Quotient of hi:lo by d, where hi < d: two 32-bit digits by Knuth's algorithm D (TAOCP vol. 2, 4.3.1). */
function divideWide(hi: u64, lo: u64, d: u64): u64 {
  const s = clz<u64>(d);
  const dn = d << s;
  const dHi = dn >> 32;
  const dLo = dn & 0xffffffff;
  const n32 = s == 0 ? hi : (hi << s) | (lo >> (64 - s));
  const n10 = lo << s;
  const q1 = digit(n32, n10 >> 32, dHi, dLo);
  const n21 = (n32 << 32) + (n10 >> 32) - q1 * dn;
  const q0 = digit(n21, n10 & 0xffffffff, dHi, dLo);
  return (q1 << 32) + q0;
}

function digit(n: u64, next: u64, dHi: u64, dLo: u64): u64 {
  let q = n / dHi;
  let r = n - q * dHi;
  while (q >= 0x100000000 || q * dLo > ((r << 32) | next)) {
    q -= 1;
    r += dHi;
    if (r >= 0x100000000) break;
  }
  return q;
}
