/** What MMX instructions share: 64-bit operands in the low half of a vector, and the write that marks a register as MMX. */
import { Vcpu } from "../gen/layout";
import { enterMmx } from "./sse-mmx";

@inline
export function at(p: usize): v128 {
  return v128.load64_zero(p);
}

/** Two operands in one vector: d low, s high. */
@inline
export function pair(d: usize, s: usize): v128 {
  return i64x2.replace_lane(at(d), 1, load<i64>(s));
}

@inline
export function putWord(cpu: Vcpu, d: usize, v: u64): void {
  store<u64>(d, v);
  store<u16>(d, 0xffff, 8);
  enterMmx(cpu);
}

@inline
export function put(cpu: Vcpu, d: usize, v: v128): void {
  putWord(cpu, d, i64x2.extract_lane(v, 0));
}
