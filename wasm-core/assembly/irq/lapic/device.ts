/**
 * The local APIC's registers: reset, reads, writes, end of interrupt and interrupt commands. [SDM] 3A 11.
 * The same functions serve the register page and the x2APIC MSRs; msr.ts adds what only the MSRs check.
 * Left out on purpose: ExtINT and SMI (no 8259, no SMM) and the remote read register.
 */
import { Lapic, LapicOff, Vcpu } from "../../gen/layout";
import { domainOfVcpu, domainVcpu } from "../../mem/domains";
import { ioapicEoi } from "../ioapic";
import {
  acceptMessage,
  ApicBase,
  BROADCAST,
  Dfr,
  Esr,
  FIRST_VECTOR,
  lapicError,
  lapicOf,
  lapicRelease,
  lapicX2apic,
  Message,
  messageMatches,
  sendMessage,
  Svr,
  vectorWord,
  wideDestination,
  x2apicLogicalId,
} from "../message";
import { arbitrationPriority, highestVector, lapicSetTpr, processorPriority, reconsider } from "./priority";
import {
  ERROR_WRITABLE,
  Icr,
  LapicReg,
  LINT_WRITABLE,
  Lvt,
  LvtIndex,
  SENSOR_WRITABLE,
  TIMER_WRITABLE,
  VERSION_VALUE,
} from "./regs";
import { readCurrentCount, stopTimer, writeDivideConfig, writeInitialCount, writeTimerEntry } from "./timer";

/** What INIT does to the registers: all but the id and the mode. [SDM] 3A 11.4.7.3 */
export function lapicInitReset(cpu: Vcpu): void {
  const apic = lapicOf(cpu);
  // The start-up IPI after an INIT may come now, from another pCPU: it must find the id, and its vector must stay.
  memory.fill(changetype<usize>(apic), 0, LapicOff.id);
  apic.dfr = Dfr.RESET;
  apic.svr = Svr.RESET;
  for (let i: u32 = 0; i < LvtIndex.COUNT; i++) setLvt(apic, i, Lvt.RESET);
  stopTimer(apic);
}

/** Power-up: xAPIC mode at the usual address, software disabled. */
export function lapicReset(cpu: Vcpu): void {
  cpu.apicBase = 0xfee00000 | ApicBase.ENABLE | (cpu.id == 0 ? ApicBase.BSP : 0);
  lapicOf(cpu).id = cpu.apicId << 24;
  lapicInitReset(cpu);
}

@inline
function lvtOf(apic: Lapic, index: u32): u32 {
  return load<u32>(changetype<usize>(apic) + LapicOff.lvt + ((<usize>index) << 2));
}

@inline
function setLvt(apic: Lapic, index: u32, value: u32): void {
  store<u32>(changetype<usize>(apic) + LapicOff.lvt + ((<usize>index) << 2), value);
}

/** Position in Lapic.lvt of the entry at `offset`, LvtIndex.COUNT when it is none. */
export function lvtIndex(offset: u32): u32 {
  if (offset == LapicReg.LVT_CMCI) return LvtIndex.CMCI;
  if (offset < LapicReg.LVT_TIMER || offset > LapicReg.LVT_ERROR) return LvtIndex.COUNT;
  return (offset - LapicReg.LVT_TIMER) >> 4;
}

/** Bits of an LVT entry that software may set. */
export function lvtWritable(index: u32): u32 {
  switch (index) {
    case LvtIndex.TIMER:
      return TIMER_WRITABLE;
    case LvtIndex.LINT0:
    case LvtIndex.LINT1:
      return LINT_WRITABLE;
    case LvtIndex.ERROR:
      return ERROR_WRITABLE;
    default:
      return SENSOR_WRITABLE;
  }
}

function writeLvt(cpu: Vcpu, index: u32, value: u32): void {
  const apic = lapicOf(cpu);
  value &= lvtWritable(index);
  if ((apic.svr & Svr.ENABLE) == 0) value |= Lvt.MASKED;
  if (index == LvtIndex.TIMER) writeTimerEntry(cpu, value);
  else setLvt(apic, index, value);
}

/**
 * A local source raises its interrupt as its LVT entry says; `offset` is the entry's register: CMCI, thermal,
 * performance counters, LINT0 or LINT1. The timer and the error entry have their own ways.
 */
export function lapicRaiseLocal(cpu: Vcpu, offset: u32): void {
  const index = lvtIndex(offset);
  if (index == LvtIndex.COUNT) return;
  const entry = lvtOf(lapicOf(cpu), index);
  if ((entry & Lvt.MASKED) == 0) acceptMessage(cpu, entry & Message.DELIVERY_MASK, entry, false);
}

function writeSvr(cpu: Vcpu, value: u32): void {
  const apic = lapicOf(cpu);
  atomic.store<u32>(changetype<usize>(apic), value & Svr.WRITABLE_MASK, LapicOff.svr);
  if ((value & Svr.ENABLE) != 0) {
    lapicRelease(cpu);
    return;
  }
  for (let i: u32 = 0; i < LvtIndex.COUNT; i++) writeLvt(cpu, i, lvtOf(apic, i));
}

/** Vector of the start-up IPI that EventBit.SIPI announced. */
export function lapicSipiVector(cpu: Vcpu): u32 {
  return atomic.load<u32>(<usize>cpu.lapic, LapicOff.sipiVector);
}

/** Ends the service of the highest vector; a level-triggered one is announced to the I/O APIC. */
export function lapicEoi(cpu: Vcpu): void {
  const apic = lapicOf(cpu);
  const vector = highestVector(apic, LapicOff.isr);
  if (vector < 0) return;
  const bit: u32 = 1 << (vector & 31);
  const service = vectorWord(apic, LapicOff.isr, vector);
  store<u32>(service, load<u32>(service) & ~bit);
  const level = (atomic.load<u32>(vectorWord(apic, LapicOff.tmr, vector)) & bit) != 0;
  if (level && (apic.svr & Svr.SUPPRESS_EOI_BROADCAST) == 0) ioapicEoi(domainOfVcpu(cpu), vector);
  reconsider(cpu);
}

/** Sends the interrupt command `low` to `destination`, 32 bits wide with BROADCAST for everyone. [SDM] 3A 11.6.1 */
export function sendCommand(cpu: Vcpu, low: u32, destination: u32): void {
  const delivery = low & Message.DELIVERY_MASK;
  const deassert = (low & (Message.LEVEL | Message.ASSERT)) == Message.LEVEL;
  // INIT level de-assert only resynchronised the arbitration ids of processors with an APIC bus.
  if (delivery == Message.INIT && deassert) return;
  const illegal = delivery <= Message.LOWEST_PRIORITY && (low & Message.VECTOR_MASK) < FIRST_VECTOR;
  if (illegal) lapicError(cpu, Esr.SEND_ILLEGAL_VECTOR);
  const dom = domainOfVcpu(cpu);
  switch (low & Icr.SHORTHAND_MASK) {
    case Icr.SHORTHAND_NONE:
      sendMessage(dom, destination, low, false);
      break;
    case Icr.SHORTHAND_SELF:
      acceptMessage(cpu, delivery, low, false);
      break;
    case Icr.SHORTHAND_ALL:
      sendMessage(dom, BROADCAST, low, false);
      break;
    default:
      sendToOthers(cpu, low);
  }
}

function sendToOthers(cpu: Vcpu, low: u32): void {
  const dom = domainOfVcpu(cpu);
  const count = dom.maxVcpus;
  for (let i: u32 = 0; i < count; i++) {
    const other = domainVcpu(dom, i);
    if (changetype<usize>(other) == 0 || other == cpu || !messageMatches(other, BROADCAST, false)) continue;
    acceptMessage(other, low & Message.DELIVERY_MASK, low, false);
  }
}

/** A write to ESR latches the errors seen since the last one. */
function writeEsr(apic: Lapic): void {
  apic.esr = atomic.xchg<u32>(changetype<usize>(apic), 0, LapicOff.esrPending);
}

function readVectorRegister(apic: Lapic, offset: u32): u32 {
  const register = offset < LapicReg.TMR ? LapicOff.isr : offset < LapicReg.IRR ? LapicOff.tmr : LapicOff.irr;
  return atomic.load<u32>(changetype<usize>(apic) + register + ((offset & 0x70) >> 2));
}

/** Logical destination register: derived from the id in x2APIC mode. */
function logicalDestination(cpu: Vcpu): u32 {
  return lapicX2apic(cpu) ? x2apicLogicalId(cpu.apicId) : lapicOf(cpu).ldr;
}

/** Reads the register at `offset` (a multiple of 16); one that does not exist is an error and reads zero. */
export function lapicRead(cpu: Vcpu, offset: u32): u32 {
  const apic = lapicOf(cpu);
  if (offset >= LapicReg.ISR && offset < LapicReg.ESR) return readVectorRegister(apic, offset);
  const index = lvtIndex(offset);
  if (index != LvtIndex.COUNT) return lvtOf(apic, index);
  switch (offset) {
    case LapicReg.ID:
      return lapicX2apic(cpu) ? cpu.apicId : apic.id;
    case LapicReg.VERSION:
      return VERSION_VALUE;
    case LapicReg.TPR:
      return apic.tpr;
    case LapicReg.APR:
      return arbitrationPriority(apic);
    case LapicReg.PPR:
      return processorPriority(apic);
    case LapicReg.EOI:
    case LapicReg.RRD:
      return 0;
    case LapicReg.LDR:
      return logicalDestination(cpu);
    case LapicReg.DFR:
      return apic.dfr;
    case LapicReg.SVR:
      return apic.svr;
    case LapicReg.ESR:
      return apic.esr;
    case LapicReg.ICR_LOW:
      return apic.icrLow;
    case LapicReg.ICR_HIGH:
      return apic.icrHigh;
    case LapicReg.INITIAL_COUNT:
      return apic.initialCount;
    case LapicReg.CURRENT_COUNT:
      return readCurrentCount(cpu);
    case LapicReg.DIVIDE_CONFIG:
      return apic.divideConfig;
    default:
      lapicError(cpu, Esr.ILLEGAL_REGISTER);
      return 0;
  }
}

/** Writes the register at `offset` (a multiple of 16) in xAPIC mode; read-only registers ignore it. */
export function lapicWrite(cpu: Vcpu, offset: u32, value: u32): void {
  const apic = lapicOf(cpu);
  const index = lvtIndex(offset);
  if (index != LvtIndex.COUNT) {
    writeLvt(cpu, index, value);
    return;
  }
  switch (offset) {
    case LapicReg.ID:
      apic.id = value & 0xff000000;
      break;
    case LapicReg.TPR:
      lapicSetTpr(cpu, value);
      break;
    case LapicReg.EOI:
      lapicEoi(cpu);
      break;
    case LapicReg.LDR:
      apic.ldr = value & 0xff000000;
      break;
    case LapicReg.DFR:
      apic.dfr = value | 0x0fffffff;
      break;
    case LapicReg.SVR:
      writeSvr(cpu, value);
      break;
    case LapicReg.ESR:
      writeEsr(apic);
      break;
    case LapicReg.ICR_LOW:
      writeIcr(cpu, value);
      break;
    case LapicReg.ICR_HIGH:
      apic.icrHigh = value & 0xff000000;
      break;
    case LapicReg.INITIAL_COUNT:
      writeInitialCount(cpu, value);
      break;
    case LapicReg.DIVIDE_CONFIG:
      writeDivideConfig(cpu, value);
      break;
    default:
      ignoreWrite(cpu, offset);
  }
}

function writeIcr(cpu: Vcpu, value: u32): void {
  const apic = lapicOf(cpu);
  apic.icrLow = value & Icr.WRITABLE_MASK;
  sendCommand(cpu, apic.icrLow, wideDestination(apic.icrHigh >> 24));
}

function ignoreWrite(cpu: Vcpu, offset: u32): void {
  const readOnly =
    (offset >= LapicReg.ISR && offset < LapicReg.ESR) ||
    offset == LapicReg.VERSION ||
    offset == LapicReg.APR ||
    offset == LapicReg.PPR ||
    offset == LapicReg.RRD ||
    offset == LapicReg.CURRENT_COUNT;
  if (!readOnly) lapicError(cpu, Esr.ILLEGAL_REGISTER);
}
