/**
 * The checks of a new CS that far transfers, returns and event delivery share, and the loading itself.
 * [SDM] vol. 3A, 5.8 "Privilege Level Checking When Transferring Program Control".
 */
import { SegIndex, Vcpu } from "../gen/layout";
import {
  descAttr,
  descBase,
  descBig,
  descConforming,
  descDpl,
  descIsCode,
  descLimit,
  descLong,
  descPresent,
} from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { isLong } from "../cpu/modes";
import { SegAttr, setSegment } from "../cpu/segments";
import { isCanonical } from "../mmu/canonical";
import { failGp, failSelector, readDescriptor } from "./tables";

/** Whether `desc` makes 64-bit code. */
export function isCode64(cpu: Vcpu, desc: u64): bool {
  return isLong(cpu) && descLong(desc);
}

/** Code with both L and D is reserved in long mode. */
function reservedSize(cpu: Vcpu, desc: u64): bool {
  return isLong(cpu) && descLong(desc) && descBig(desc);
}

/** A code segment reached by a direct JMP or CALL: the level does not change. */
export function directCodeOk(cpu: Vcpu, selector: u32, desc: u64): bool {
  const cpl = <u32>cpu.cpl;
  const dpl = descDpl(desc);
  let ok = descIsCode(desc) && !reservedSize(cpu, desc);
  if (descConforming(desc)) ok = ok && dpl <= cpl;
  else ok = ok && dpl == cpl && (selector & 3) <= cpl;
  if (!ok) return failSelector(cpu, Vector.GP, selector);
  return descPresent(desc) || failSelector(cpu, Vector.NP, selector);
}

/** Reads the code segment behind a gate; it may be more privileged. JMP forbids that with `sameLevel`. */
export function readGateCode(cpu: Vcpu, selector: u32, sameLevel: bool): bool {
  if (!(selector & 0xfffc)) return failGp(cpu);
  if (!readDescriptor(cpu, selector, Vector.GP)) return false;
  const desc = cpu.descLow;
  const dpl = descDpl(desc);
  const cpl = <u32>cpu.cpl;
  let ok = descIsCode(desc) && dpl <= cpl;
  if (sameLevel && !descConforming(desc)) ok = ok && dpl == cpl;
  // Gates of long mode lead to 64-bit code only.
  if (isLong(cpu)) ok = ok && descLong(desc) && !descBig(desc);
  if (!ok) return failSelector(cpu, Vector.GP, selector);
  return descPresent(desc) || failSelector(cpu, Vector.NP, selector);
}

/** Reads the code segment that RETF or IRET returns to. */
export function readReturnCode(cpu: Vcpu, selector: u32): bool {
  if (!(selector & 0xfffc)) return failGp(cpu);
  const rpl = selector & 3;
  if (!readDescriptor(cpu, selector, Vector.GP)) return false;
  const desc = cpu.descLow;
  const dpl = descDpl(desc);
  let ok = descIsCode(desc) && rpl >= <u32>cpu.cpl && !reservedSize(cpu, desc);
  ok = ok && (descConforming(desc) ? dpl <= rpl : dpl == rpl);
  if (!ok) return failSelector(cpu, Vector.GP, selector);
  return descPresent(desc) || failSelector(cpu, Vector.NP, selector);
}

/** Whether `rip` can be run in the code segment `desc`: #GP(0) otherwise. */
export function targetOk(cpu: Vcpu, desc: u64, rip: u64): bool {
  const ok = isCode64(cpu, desc) ? isCanonical(rip) : rip <= <u64>descLimit(desc);
  return ok || failGp(cpu);
}

/** Level at which code `desc` runs when it is reached from the current one. */
@inline
export function levelOf(cpu: Vcpu, desc: u64): u32 {
  return descConforming(desc) ? <u32>cpu.cpl : descDpl(desc);
}

/** Loads CS and the privilege level; the accessed bit in memory is the caller's. */
export function setCode(cpu: Vcpu, selector: u32, desc: u64, cpl: u32): void {
  const base = isCode64(cpu, desc) ? 0 : descBase(desc);
  const attr = descAttr(desc) | SegAttr.ACCESSED;
  setSegment(cpu, SegIndex.CS, (selector & 0xfffc) | cpl, base, descLimit(desc), attr);
  cpu.cpl = <u8>cpl;
}
