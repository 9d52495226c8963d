/** Shifts and rotates. A count of zero, after masking, changes no flag. [SDM] vol. 2. */
import { CcOp, Vcpu } from "../gen/layout";
import { cf, Flag, setLazy, setSome } from "../cpu/flags";

@inline
function bits<T>(): u32 {
  return sizeof<T>() * 8;
}

@inline
function masked<T>(n: u8): u32 {
  return (<u32>n) & (sizeof<T>() == 8 ? 63 : 31);
}

/** Shifts by up to 31 of narrow operands need a wider home than the operand: all arithmetic is in 64 bits. */
export function shl<T>(cpu: Vcpu, a: T, n: u8): T {
  const count = masked<T>(n);
  if (count == 0) return a;
  const before = ((<u64>a) << (count - 1)) as T;
  const r = (before << 1) as T;
  setLazy<T>(cpu, CcOp.SHL, before, r);
  return r;
}

export function shr<T>(cpu: Vcpu, a: T, n: u8): T {
  const count = masked<T>(n);
  if (count == 0) return a;
  const before = (<u64>a) >> (count - 1);
  const r = (before >> 1) as T;
  setLazy<T>(cpu, CcOp.SHR, before as T, r);
  return r;
}

@inline
function signed<T>(a: T): i64 {
  return (<i64>((<u64>a) << (64 - bits<T>()))) >> (64 - bits<T>());
}

export function sar<T>(cpu: Vcpu, a: T, n: u8): T {
  const count = masked<T>(n);
  if (count == 0) return a;
  const before = signed<T>(a) >> (count - 1);
  const r = (before >> 1) as T;
  setLazy<T>(cpu, CcOp.SHR, before as T, r);
  return r;
}

/** CF and OF of a rotate; the other flags stay. */
function rotateFlags(cpu: Vcpu, carry: bool, overflow: bool): void {
  setSome(cpu, Flag.CF | Flag.OF, (carry ? Flag.CF : 0) | (overflow ? Flag.OF : 0));
}

@inline
function top<T>(a: T): bool {
  return (((<u64>a) >> (bits<T>() - 1)) & 1) != 0;
}

export function rol<T>(cpu: Vcpu, a: T, n: u8): T {
  const count = masked<T>(n);
  if (count == 0) return a;
  const k = count & (bits<T>() - 1);
  const r = k == 0 ? a : ((((<u64>a) << k) | ((<u64>a) >> (bits<T>() - k))) as T);
  const carry = ((<u64>r) & 1) != 0;
  rotateFlags(cpu, carry, top<T>(r) != carry);
  return r;
}

export function ror<T>(cpu: Vcpu, a: T, n: u8): T {
  const count = masked<T>(n);
  if (count == 0) return a;
  const k = count & (bits<T>() - 1);
  const back = bits<T>() - k;
  const r = k == 0 ? a : ((((<u64>a) >> k) | ((<u64>a) << back)) as T);
  rotateFlags(cpu, top<T>(r), top<T>(r) != ((((<u64>r) >> (bits<T>() - 2)) & 1) != 0));
  return r;
}

/** Rotates through CF: a rotate of bits + 1 positions. */
export function rcl<T>(cpu: Vcpu, a: T, n: u8): T {
  const count = masked<T>(n) % (bits<T>() + 1);
  if (masked<T>(n) == 0) return a;
  let r = <u64>a;
  let carry = cf(cpu);
  for (let i: u32 = 0; i < count; i++) {
    const out = ((r >> (bits<T>() - 1)) & 1) != 0;
    r = (r << 1) | (carry ? 1 : 0);
    carry = out;
  }
  const v = r as T;
  rotateFlags(cpu, carry, top<T>(v) != carry);
  return v;
}

export function rcr<T>(cpu: Vcpu, a: T, n: u8): T {
  const count = masked<T>(n) % (bits<T>() + 1);
  if (masked<T>(n) == 0) return a;
  let r = <u64>a;
  let carry = cf(cpu);
  const last = bits<T>() - 1;
  const highest = (<u64>1) << last;
  for (let i: u32 = 0; i < count; i++) {
    const out = (r & 1) != 0;
    r = (r >> 1) | (carry ? highest : 0);
    carry = out;
  }
  const v = r as T;
  rotateFlags(cpu, carry, top<T>(v) != ((((<u64>v) >> (bits<T>() - 2)) & 1) != 0));
  return v;
}

/** Shifts a left, filling from the top of b. A 16-bit count above 16 is undefined: as processors do, b:a rotate on. */
export function shld<T>(cpu: Vcpu, a: T, b: T, n: u8): T {
  const count = masked<T>(n);
  if (count == 0) return a;
  if (sizeof<T>() == 8) {
    const before = count == 1 ? <u64>a : ((<u64>a) << (count - 1)) | ((<u64>b) >> (65 - count));
    const r = ((<u64>a) << count) | ((<u64>b) >> (64 - count));
    setLazy<T>(cpu, CcOp.SHL, before as T, r as T);
    return r as T;
  }
  // a:b:a, the 16-bit form's behaviour for counts beyond 16
  const wide = sizeof<T>() == 2 ? ((<u64>a) << 32) | ((<u64>b) << 16) | (<u64>a) : ((<u64>a) << 32) | (<u64>b);
  const total: u32 = sizeof<T>() == 2 ? 48 : 64;
  const before = (wide << (count - 1)) >> (total - bits<T>());
  const r = (wide << count) >> (total - bits<T>());
  setLazy<T>(cpu, CcOp.SHL, before as T, r as T);
  return r as T;
}

export function shrd<T>(cpu: Vcpu, a: T, b: T, n: u8): T {
  const count = masked<T>(n);
  if (count == 0) return a;
  if (sizeof<T>() == 8) {
    const before = count == 1 ? <u64>a : ((<u64>a) >> (count - 1)) | ((<u64>b) << (65 - count));
    const r = ((<u64>a) >> count) | ((<u64>b) << (64 - count));
    setLazy<T>(cpu, CcOp.SHR, before as T, r as T);
    return r as T;
  }
  const wide = sizeof<T>() == 2 ? ((<u64>a) << 32) | ((<u64>b) << 16) | (<u64>a) : ((<u64>b) << 32) | (<u64>a);
  const before = (wide >> (count - 1)) as T;
  const r = (wide >> count) as T;
  setLazy<T>(cpu, CcOp.SHR, before, r);
  return r;
}

export function sarx<T>(cpu: Vcpu, a: T, n: T): T {
  return (signed<T>(a) >> ((<u64>n) & (bits<T>() - 1))) as T;
}

export function shlx<T>(cpu: Vcpu, a: T, n: T): T {
  return (a << (((<u64>n) & (bits<T>() - 1)) as T)) as T;
}

export function shrx<T>(cpu: Vcpu, a: T, n: T): T {
  return (a >> (((<u64>n) & (bits<T>() - 1)) as T)) as T;
}

export function rorx<T>(cpu: Vcpu, a: T, n: u8): T {
  return rotr<T>(a, ((<u64>n) & (bits<T>() - 1)) as T);
}
