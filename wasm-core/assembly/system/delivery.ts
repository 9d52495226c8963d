/**
 * Delivery of exceptions and interrupts through the IDT of the mode the vCPU is in, and what happens when delivery
 * itself faults: double fault, triple fault. cpu.rip holds the RIP to be saved. [SDM] vol. 3A, 6.12 to 6.15.
 */
import { Status, Vcpu } from "../gen/layout";
import { Dr6, noteDebugConditions, PENDING_BT } from "../cpu/debug";
import { Vector } from "../cpu/faults";
import { Flag, readFlags } from "../cpu/flags";
import { isLong, isReal, isVm86 } from "../cpu/modes";
import { deliverLong } from "./delivery-long";
import { deliverLegacy } from "./delivery-legacy";
import { deliverReal, redirectVm86 } from "./delivery-real";
import { EventKind } from "./event-kind";
import { tripleFault } from "./hooks";

/** Exceptions of the fault class: the saved RFLAGS image has RF set. #DB sets RF itself where it wants it. */
const FAULT_CLASS: u32 =
  (1 << Vector.DE) |
  (1 << Vector.BR) |
  (1 << Vector.UD) |
  (1 << Vector.NM) |
  (1 << Vector.TS) |
  (1 << Vector.NP) |
  (1 << Vector.SS) |
  (1 << Vector.GP) |
  (1 << Vector.PF) |
  (1 << Vector.MF) |
  (1 << Vector.AC) |
  (1 << Vector.XM);
const CONTRIBUTORY: u32 = (1 << Vector.DE) | (1 << Vector.TS) | (1 << Vector.NP) | (1 << Vector.SS) | (1 << Vector.GP);

/** One attempt at delivery. False when it faulted; the fault stands in the vCPU. */
function attempt(cpu: Vcpu, vector: u32, kind: u32, hasError: bool, error: u32): bool {
  cpu.extEvent = kind == EventKind.EXTERNAL ? 1 : 0;
  const ok = isLong(cpu)
    ? deliverLong(cpu, vector, kind, hasError, error)
    : isReal(cpu)
      ? deliverReal(cpu, vector)
      : deliverLegacy(cpu, vector, kind, hasError, error);
  cpu.extEvent = 0;
  return ok;
}

/** State that any delivered event leaves behind. */
function wake(cpu: Vcpu): void {
  cpu.interruptShadow = 0;
  cpu.halted = 0;
  cpu.mwait = 0;
  cpu.tfTrap = 0;
  cpu.keepRf = 0;
  cpu.debugShadow = 0;
  cpu.taskCommitted = 0;
  cpu.pendingDr6 &= PENDING_BT;
}

/**
 * Delivers exception `vector` and whatever arises from that. Always Status.BRANCH: cpu.rip is the handler's, or the
 * vCPU has shut down.
 */
export function deliverException(cpu: Vcpu, vector: u32, hasError: bool, error: u32): i32 {
  if (vector < 32 && (FAULT_CLASS >> vector) & 1) cpu.eflags = readFlags(cpu) | Flag.RF;
  return deliverEvent(cpu, vector, hasError, error);
}

function deliverEvent(cpu: Vcpu, vector: u32, hasError: bool, error: u32): i32 {
  let first = vector;
  while (!attempt(cpu, first, EventKind.EXTERNAL, hasError, error)) {
    const second = <u32>cpu.faultVector;
    if (first == Vector.DF) {
      tripleFault(cpu);
      return Status.BRANCH;
    }
    if (becomesDouble(first, second)) {
      first = Vector.DF;
      hasError = true;
      error = 0;
      cpu.eflags &= ~Flag.RF;
    } else {
      first = second;
      hasError = cpu.faultHasError != 0;
      error = cpu.faultError;
      cpu.eflags |= Flag.RF;
    }
  }
  wake(cpu);
  return taskTrap(cpu);
}

/** The debug trap of a new task whose TSS has the T flag. */
function taskTrap(cpu: Vcpu): i32 {
  if (!(cpu.pendingDr6 & PENDING_BT)) return Status.BRANCH;
  cpu.pendingDr6 = 0;
  return deliverDebugTrap(cpu, Dr6.BT);
}

/** [SDM] vol. 3A, table "Conditions for Generating a Double Fault". */
function becomesDouble(first: u32, second: u32): bool {
  if (first >= 32) return false;
  const secondContributory = ((CONTRIBUTORY >> second) & 1) != 0;
  if (first == Vector.PF) return secondContributory || second == Vector.PF;
  return ((CONTRIBUTORY >> first) & 1) != 0 && secondContributory;
}

/** The exception that the running instruction raised; cpu.rip has been set to the instruction. */
export function deliverFault(cpu: Vcpu): i32 {
  return deliverException(cpu, cpu.faultVector, cpu.faultHasError != 0, cpu.faultError);
}

/** An external interrupt. cpu.rip is the next instruction. */
export function deliverInterrupt(cpu: Vcpu, vector: u32): i32 {
  return deliverEvent(cpu, vector, false, 0);
}

/** A non-maskable interrupt; further ones are held until IRET. */
export function deliverNmi(cpu: Vcpu): i32 {
  cpu.nmiBlocked = 1;
  cpu.nmiPending = 0;
  return deliverEvent(cpu, Vector.NMI, false, 0);
}

/** #DB as a trap: `bits` of DR6 say why. cpu.rip is the next instruction. */
export function deliverDebugTrap(cpu: Vcpu, bits: u64): i32 {
  noteDebugConditions(cpu, bits);
  cpu.eflags &= ~Flag.RF;
  return deliverEvent(cpu, Vector.DB, false, 0);
}

/** INT1: cpu.rip is the next instruction. No gate privilege check, and DR6 stays as it is. */
export function deliverIcebp(cpu: Vcpu): i32 {
  return deliverEvent(cpu, Vector.DB, false, 0);
}

/**
 * INT n, INT3, INTO: `nextRip` is saved. Status.FAULT when the gate refuses, so that the fault is the instruction's.
 */
export function softwareInterrupt(cpu: Vcpu, vector: u32, kind: u32, nextRip: u64): i32 {
  cpu.rip = nextRip;
  if (kind == EventKind.SOFTWARE && isVm86(cpu)) {
    const redirected = redirectVm86(cpu, vector);
    if (redirected != Status.NEXT) return redirected;
  }
  if (attempt(cpu, vector, kind, false, 0)) {
    wake(cpu);
    return taskTrap(cpu);
  }
  return transferStatus(cpu, false);
}

/**
 * Status of a far transfer that did or did not succeed. After the commit point of a task switch a fault is the new
 * task's own: it is delivered here, as RIP is the new one already.
 */
export function transferStatus(cpu: Vcpu, ok: bool): i32 {
  if (!cpu.taskCommitted) return ok ? Status.BRANCH : Status.FAULT;
  cpu.taskCommitted = 0;
  return ok ? taskTrap(cpu) : deliverFault(cpu);
}
