/**
 * The local APIC timer. [SDM] 3A 11.5.4. It counts at the 1 GHz bus clock over the divide configuration, so one count
 * is 1-128 ns of machine time; nothing ticks: the deadline is kept and the count derived from it.
 */
import { Lapic, LapicOff, Vcpu } from "../../gen/layout";
import { machineTime, NEVER } from "../../util/host";
import { lapicInject, lapicOf, Message } from "../message";
import { Lvt, LvtIndex } from "./regs";

@inline
function timerEntry(apic: Lapic): u32 {
  return load<u32>(changetype<usize>(apic) + LapicOff.lvt + 4 * LvtIndex.TIMER);
}

@inline
function modeOf(entry: u32): u32 {
  return entry & Lvt.TIMER_MODE_MASK;
}

/** log2 of the divisor that a divide configuration stands for: 000 = 2 ... 110 = 128, 111 = 1. */
@inline
function divideShift(config: u32): u32 {
  const value = ((config >> 1) & 4) | (config & 3);
  return value == 7 ? 0 : value + 1;
}

@inline
function isTscDeadline(apic: Lapic): bool {
  return modeOf(timerEntry(apic)) == Lvt.TIMER_TSC_DEADLINE;
}

/** Counts until zero; rounded up, so that zero is read only once the timer has expired. */
function remaining(apic: Lapic, now: u64): u32 {
  if (apic.timerDeadline == NEVER || apic.timerDeadline <= now) return 0;
  const shift = divideShift(apic.divideConfig);
  return <u32>((apic.timerDeadline - now + (((<u64>1) << shift) - 1)) >> shift);
}

/** Machine time at which a TSC deadline falls; machine TSC is machine time, the guest's is `tscOffset` later. */
function tscDeadlineTime(cpu: Vcpu, apic: Lapic): u64 {
  const deadline = apic.tscDeadline;
  if (deadline == 0) return NEVER;
  const offset = <i64>cpu.tscOffset;
  if (offset >= 0) return deadline > <u64>offset ? deadline - <u64>offset : 0;
  const time = deadline + <u64>-offset;
  return time < deadline ? NEVER : time;
}

/** Machine time at which the timer expires next, all ones when it is not running. */
export function lapicTimerDeadline(cpu: Vcpu): u64 {
  const apic = lapicOf(cpu);
  return isTscDeadline(apic) ? tscDeadlineTime(cpu, apic) : apic.timerDeadline;
}

/**
 * After the deadline moved: one that is earlier than everything the scheduler knows of ends the slice, so that the
 * scheduler measures the next one by it.
 */
function rearm(cpu: Vcpu): void {
  const deadline = lapicTimerDeadline(cpu);
  if (deadline >= cpu.wakeTime) return;
  cpu.wakeTime = deadline;
  cpu.budget = 0;
}

function expire(cpu: Vcpu, apic: Lapic): void {
  const entry = timerEntry(apic);
  if ((entry & Lvt.MASKED) == 0) lapicInject(cpu, entry & Message.VECTOR_MASK, false);
}

/**
 * Raises the interrupt if the timer has expired and arms the next period. Periods that were missed altogether collapse
 * into one interrupt, as they do in IRR, and the next deadline keeps the phase of the first.
 */
export function lapicTimerFire(cpu: Vcpu): void {
  const apic = lapicOf(cpu);
  const now = machineTime();
  if (lapicTimerDeadline(cpu) > now) return;
  if (isTscDeadline(apic)) {
    apic.tscDeadline = 0;
  } else if (modeOf(timerEntry(apic)) == Lvt.TIMER_PERIODIC && apic.initialCount != 0) {
    const period = (<u64>apic.initialCount) << divideShift(apic.divideConfig);
    const late = now - apic.timerDeadline;
    apic.timerDeadline += (late / period + 1) * period;
  } else {
    apic.timerDeadline = NEVER;
  }
  expire(cpu, apic);
}

/** Initial count register: a write starts the count, zero stops it. Without effect in TSC-deadline mode. */
export function writeInitialCount(cpu: Vcpu, value: u32): void {
  const apic = lapicOf(cpu);
  if (isTscDeadline(apic)) return;
  lapicTimerFire(cpu);
  apic.initialCount = value;
  apic.timerDeadline = value == 0 ? NEVER : machineTime() + ((<u64>value) << divideShift(apic.divideConfig));
  rearm(cpu);
}

/** Current count register. */
export function readCurrentCount(cpu: Vcpu): u32 {
  const apic = lapicOf(cpu);
  if (isTscDeadline(apic)) return 0;
  lapicTimerFire(cpu);
  return remaining(apic, machineTime());
}

/** Divide configuration: what is left of the count goes on at the new rate. */
export function writeDivideConfig(cpu: Vcpu, value: u32): void {
  const apic = lapicOf(cpu);
  lapicTimerFire(cpu);
  const now = machineTime();
  const left = remaining(apic, now);
  apic.divideConfig = value & 0xb;
  if (left == 0) return;
  apic.timerDeadline = now + ((<u64>left) << divideShift(apic.divideConfig));
  rearm(cpu);
}

/**
 * LVT timer register. Between one-shot and periodic the count goes on; entering or leaving TSC-deadline mode stops
 * the timer.
 */
export function writeTimerEntry(cpu: Vcpu, value: u32): void {
  const apic = lapicOf(cpu);
  lapicTimerFire(cpu);
  const old = modeOf(timerEntry(apic));
  const mode = modeOf(value);
  store<u32>(changetype<usize>(apic) + LapicOff.lvt + 4 * LvtIndex.TIMER, value);
  if (mode != old && (mode == Lvt.TIMER_TSC_DEADLINE || old == Lvt.TIMER_TSC_DEADLINE)) {
    apic.tscDeadline = 0;
    apic.timerDeadline = NEVER;
    apic.initialCount = 0;
  }
}

/** IA32_TSC_DEADLINE, as read: zero once it has fired, and outside TSC-deadline mode. */
export function lapicTscDeadlineRead(cpu: Vcpu): u64 {
  const apic = lapicOf(cpu);
  if (!isTscDeadline(apic)) return 0;
  lapicTimerFire(cpu);
  return apic.tscDeadline;
}

/** IA32_TSC_DEADLINE, as written: zero disarms; ignored outside TSC-deadline mode. */
export function lapicTscDeadlineWrite(cpu: Vcpu, value: u64): void {
  const apic = lapicOf(cpu);
  if (!isTscDeadline(apic)) return;
  lapicTimerFire(cpu);
  apic.tscDeadline = value;
  lapicTimerFire(cpu);
  rearm(cpu);
}

/** Stops the timer, as reset does. */
export function stopTimer(apic: Lapic): void {
  apic.timerDeadline = NEVER;
  apic.tscDeadline = 0;
}
