/** Near jumps, calls and returns. A target outside the code segment or not canonical faults at the branch. [SDM] vol. 2. */
import { ModeKey, RECORD_BYTES, SegIndex, Status, Vcpu } from "../gen/layout";
import { cf, less, overflow, pf, sf, zf } from "../cpu/flags";
import { raiseError, Vector } from "../cpu/faults";
import { getReg, Gpr, segReg, setReg } from "../cpu/regs";
import { Ea, nextRip, Rec } from "../decode/record";
import { isCanonical } from "../mmu/canonical";
import { dropStack, peekStack, push } from "./stack";

/** Whether execution may go on at `target`. */
@inline
function validTarget(cpu: Vcpu, target: u64): bool {
  if ((cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64) return isCanonical(target);
  return target <= <u64>segReg(cpu, SegIndex.CS).limit;
}

/** Sets RIP to `target`, or raises #GP(0). */
@inline
function branchTo(cpu: Vcpu, target: u64): i32 {
  if (!validTarget(cpu, target)) return raiseError(cpu, Vector.GP, 0);
  cpu.rip = target;
  return Status.BRANCH;
}

@inline
function relativeTarget<T>(cpu: Vcpu, rec: Rec): u64 {
  return <u64>((nextRip(cpu, rec) + <u64>rec.imm) as T);
}

@inline
function branchIf<T>(cpu: Vcpu, rec: Rec, taken: bool): i32 {
  if (taken) return branchTo(cpu, relativeTarget<T>(cpu, rec));
  return Status.NEXT;
}

/** The jump of a pair in 64-bit mode, whose record follows `rec`. A target that faults is left to that record itself. */
@inline
export function jumpOfPair(cpu: Vcpu, rec: Rec, taken: bool): i32 {
  if (!taken) return Status.NEXT | Status.PAIR;
  const jump = changetype<Rec>(changetype<usize>(rec) + RECORD_BYTES);
  const target = nextRip(cpu, jump) + <u64>jump.imm;
  if (!isCanonical(target)) return Status.NEXT;
  cpu.rip = target;
  return Status.BRANCH | Status.PAIR;
}

export function jmp<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchTo(cpu, relativeTarget<T>(cpu, rec));
}

export function jmpIndirect<T>(cpu: Vcpu, rec: Rec, target: T): i32 {
  return branchTo(cpu, <u64>target);
}

@inline
function callTo<T>(cpu: Vcpu, rec: Rec, target: u64): i32 {
  if (!validTarget(cpu, target)) return raiseError(cpu, Vector.GP, 0);
  if (!push<T>(cpu, nextRip(cpu, rec) as T)) return Status.FAULT;
  cpu.rip = target;
  return Status.BRANCH;
}

export function call<T>(cpu: Vcpu, rec: Rec): i32 {
  return callTo<T>(cpu, rec, relativeTarget<T>(cpu, rec));
}

export function callIndirect<T>(cpu: Vcpu, rec: Rec, target: T): i32 {
  return callTo<T>(cpu, rec, <u64>target);
}

@inline
function returnAndDrop<T>(cpu: Vcpu, extra: u32): i32 {
  const p = peekStack(cpu, 0, sizeof<T>());
  if (p == 0) return Status.FAULT;
  const target = <u64>load<T>(p);
  if (!validTarget(cpu, target)) return raiseError(cpu, Vector.GP, 0);
  dropStack(cpu, sizeof<T>() + extra);
  cpu.rip = target;
  return Status.BRANCH;
}

export function ret<T>(cpu: Vcpu, rec: Rec): i32 {
  return returnAndDrop<T>(cpu, 0);
}

export function retPop<T>(cpu: Vcpu, rec: Rec, extra: u16): i32 {
  return returnAndDrop<T>(cpu, <u32>extra);
}

// --- loops count in the address size's part of RCX

@inline
function asize(rec: Rec): u32 {
  return (<u32>rec.ea) >> Ea.ASIZE_SHIFT;
}

function counter(cpu: Vcpu, rec: Rec): u64 {
  const a = asize(rec);
  return a == 2 ? getReg<u64>(cpu, Gpr.RCX) : a == 1 ? <u64>getReg<u32>(cpu, Gpr.RCX) : <u64>getReg<u16>(cpu, Gpr.RCX);
}

function loopIf<T>(cpu: Vcpu, rec: Rec, condition: bool): i32 {
  const left = counter(cpu, rec) - 1;
  const a = asize(rec);
  const nonzero = a == 2 ? left != 0 : a == 1 ? <u32>left != 0 : <u16>left != 0;
  const s = branchIf<T>(cpu, rec, nonzero && condition);
  if (s == Status.FAULT) return s;
  if (a == 2) setReg<u64>(cpu, Gpr.RCX, left);
  else if (a == 1) setReg<u32>(cpu, Gpr.RCX, <u32>left);
  else setReg<u16>(cpu, Gpr.RCX, <u16>left);
  return s;
}

export function loop<T>(cpu: Vcpu, rec: Rec): i32 {
  return loopIf<T>(cpu, rec, true);
}

export function loope<T>(cpu: Vcpu, rec: Rec): i32 {
  return loopIf<T>(cpu, rec, zf(cpu));
}

export function loopne<T>(cpu: Vcpu, rec: Rec): i32 {
  return loopIf<T>(cpu, rec, !zf(cpu));
}

export function jrcxz<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, counter(cpu, rec) == 0);
}

export function jO<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, overflow(cpu));
}

export function jNO<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !overflow(cpu));
}

export function jB<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, cf(cpu));
}

export function jNB<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !cf(cpu));
}

export function jZ<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, zf(cpu));
}

export function jNZ<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !zf(cpu));
}

export function jBE<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, zf(cpu) || cf(cpu));
}

export function jNBE<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !zf(cpu) && !cf(cpu));
}

export function jS<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, sf(cpu));
}

export function jNS<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !sf(cpu));
}

export function jP<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, pf(cpu));
}

export function jNP<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !pf(cpu));
}

export function jL<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, less(cpu));
}

export function jNL<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !less(cpu));
}

export function jLE<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, zf(cpu) || less(cpu));
}

export function jNLE<T>(cpu: Vcpu, rec: Rec): i32 {
  return branchIf<T>(cpu, rec, !zf(cpu) && !less(cpu));
}
