/**
 * Conversions between MMX and XMM registers: CVTPI2PS, CVTPS2PI and their kin. Those that name an MMX register put the
 * x87 unit into MMX state: top of stack 0, every register in use. [SDM] vol. 1, 9.5; vol. 2, CVTPI2PS, CVTPS2PI.
 */
import { Status, Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { fFromInt, fToInt } from "../softfloat";
import { beginFp, commitFp, endFp, fpTemp } from "./sse-fp";

const FSW_TOP: u16 = 0x3800;

/** What every MMX instruction does to the x87 unit. */
export function enterMmx(cpu: Vcpu): void {
  cpu.fsw &= ~FSW_TOP;
  cpu.ftw = 0;
}

/** Two integers at `s` to the two low single-precision lanes; the memory form changes the x87 state as well. */
export function cvtpi2ps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  store<u32>(t, fFromInt<u32, i32>(st, load<i32>(s)));
  store<u32>(t, fFromInt<u32, i32>(st, load<i32>(s, 4)), 4);
  const status = commitFp(cpu, d, 8);
  if (status == Status.NEXT) enterMmx(cpu);
  return status;
}

/** Exact: no exception. */
export function cvtpi2pdMem(cpu: Vcpu, d: usize, v: u64): void {
  store<f64>(d, <f64>(<i32>v));
  store<f64>(d, <f64>(<i32>(v >> 32)), 8);
}

export function cvtpi2pd(cpu: Vcpu, d: usize, s: usize): void {
  cvtpi2pdMem(cpu, d, load<u64>(s));
  enterMmx(cpu);
}

@inline
function toMmx<T>(cpu: Vcpu, d: usize, s: usize, truncate: bool): i32 {
  const st = beginFp(cpu);
  const low = fToInt<T, i32>(st, load<T>(s), truncate);
  const high = fToInt<T, i32>(st, load<T>(s + sizeof<T>()), truncate);
  const status = endFp(cpu);
  if (status != Status.NEXT) return status;
  store<i32>(d, low);
  store<i32>(d, high, 4);
  store<u16>(d, 0xffff, 8);
  enterMmx(cpu);
  return Status.NEXT;
}

export function cvtps2pi(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return toMmx<u32>(cpu, d, s, false);
}

export function cvttps2pi(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return toMmx<u32>(cpu, d, s, true);
}

export function cvtpd2pi(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return toMmx<u64>(cpu, d, s, false);
}

export function cvttpd2pi(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return toMmx<u64>(cpu, d, s, true);
}
