/**
 * Segment registers of an incoming task. All selectors are loaded before any descriptor is looked at, so that a fault
 * handler sees the new task's selectors; errors are #TS, or #NP and #SS for what is not present. [SDM] vol. 3A, 8.3.
 */
import { SegIndex, Vcpu } from "../gen/layout";
import { descConforming, descDpl, descIsCode, descIsStack, descPresent } from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { csReg, setNullSegment, setVm86Segment } from "../cpu/segments";
import { isVm86 } from "../cpu/modes";
import { setCode } from "./code-segment";
import { dataSegmentOk, loadLdt, setFromDescriptor } from "./load-segment";
import { failGp, failSelector, markAccessed, readDescriptor } from "./tables";

/** `selectors` holds ES, CS, SS, DS from its low end; `fsGs` FS and GS. */
export function loadTaskSegments(cpu: Vcpu, selectors: u64, fsGs: u32, ldt: u32): bool {
  const es = (<u32>selectors) & 0xffff;
  const cs = (<u32>(selectors >> 16)) & 0xffff;
  const ss = (<u32>(selectors >> 32)) & 0xffff;
  const ds = <u32>(selectors >> 48);
  nameSelectors(cpu, es, cs, ss, ds, fsGs);
  if (isVm86(cpu)) {
    cpu.cpl = 3;
    loadVm86(cpu, es, cs, ss, ds, fsGs);
    return loadLdt(cpu, ldt, Vector.TS);
  }
  cpu.cpl = <u8>(cs & 3);
  if (!loadLdt(cpu, ldt, Vector.TS) || !loadTaskCode(cpu, cs) || !loadTaskStack(cpu, ss)) return false;
  if (!loadTaskData(cpu, SegIndex.DS, ds) || !loadTaskData(cpu, SegIndex.ES, es)) return false;
  if (!loadTaskData(cpu, SegIndex.FS, fsGs & 0xffff) || !loadTaskData(cpu, SegIndex.GS, fsGs >> 16)) return false;
  return cpu.rip <= <u64>csReg(cpu).limit || failGp(cpu);
}

function nameSelectors(cpu: Vcpu, es: u32, cs: u32, ss: u32, ds: u32, fsGs: u32): void {
  setNullSegment(cpu, SegIndex.ES, es);
  setNullSegment(cpu, SegIndex.CS, cs);
  setNullSegment(cpu, SegIndex.SS, ss);
  setNullSegment(cpu, SegIndex.DS, ds);
  setNullSegment(cpu, SegIndex.FS, fsGs & 0xffff);
  setNullSegment(cpu, SegIndex.GS, fsGs >> 16);
  setNullSegment(cpu, SegIndex.LDTR, 0);
}

function loadVm86(cpu: Vcpu, es: u32, cs: u32, ss: u32, ds: u32, fsGs: u32): void {
  setVm86Segment(cpu, SegIndex.ES, es);
  setVm86Segment(cpu, SegIndex.CS, cs);
  setVm86Segment(cpu, SegIndex.SS, ss);
  setVm86Segment(cpu, SegIndex.DS, ds);
  setVm86Segment(cpu, SegIndex.FS, fsGs & 0xffff);
  setVm86Segment(cpu, SegIndex.GS, fsGs >> 16);
}

function loadTaskCode(cpu: Vcpu, selector: u32): bool {
  if (!(selector & 0xfffc)) return failSelector(cpu, Vector.TS, 0);
  if (!readDescriptor(cpu, selector, Vector.TS)) return false;
  const desc = cpu.descLow;
  const rpl = selector & 3;
  const dpl = descDpl(desc);
  const ok = descIsCode(desc) && (descConforming(desc) ? dpl <= rpl : dpl == rpl);
  if (!ok) return failSelector(cpu, Vector.TS, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.NP, selector);
  if (!markAccessed(cpu, cpu.descLin, desc)) return false;
  setCode(cpu, selector, desc, rpl);
  return true;
}

function loadTaskStack(cpu: Vcpu, selector: u32): bool {
  if (!(selector & 0xfffc)) return failSelector(cpu, Vector.TS, 0);
  if (!readDescriptor(cpu, selector, Vector.TS)) return false;
  const desc = cpu.descLow;
  const cpl = <u32>cpu.cpl;
  if ((selector & 3) != cpl || descDpl(desc) != cpl || !descIsStack(desc))
    return failSelector(cpu, Vector.TS, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.SS, selector);
  if (!markAccessed(cpu, cpu.descLin, desc)) return false;
  setFromDescriptor(cpu, SegIndex.SS, selector, desc);
  return true;
}

function loadTaskData(cpu: Vcpu, seg: u32, selector: u32): bool {
  if (!(selector & 0xfffc)) return true;
  if (!readDescriptor(cpu, selector, Vector.TS)) return false;
  const desc = cpu.descLow;
  if (!dataSegmentOk(desc, selector, cpu.cpl)) return failSelector(cpu, Vector.TS, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.NP, selector);
  if (!markAccessed(cpu, cpu.descLin, desc)) return false;
  setFromDescriptor(cpu, seg, selector, desc);
  return true;
}
