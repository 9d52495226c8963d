/**
 * The run loop: finds the block at RIP and walks its records until a handler ends it; between blocks looks at events.
 * [SDM] vol. 3A, 6.9 gives the order in which simultaneous events are taken.
 */
import {
  Block,
  BLOCK_RECORDS,
  EventBit,
  ExitReason,
  ModeKey,
  RECORD_BYTES,
  Status,
  Vcpu,
  VcpuOff,
} from "../gen/layout";
import { blockAtRip } from "../decode/block";
import { Rec } from "../decode/record";
import { deliverFault } from "../system/delivery";
import { takeEvents } from "./events";
import { stepOne } from "./step";

/** Runs the vCPU until its budget is spent or it has nothing to run. Returns an ExitReason. */
export function runVcpu(cpu: Vcpu): u32 {
  while (true) {
    if (atomic.load<u32>(changetype<usize>(cpu) + VcpuOff.events) != 0 || cpu.halted) {
      const reason = takeEvents(cpu);
      if (reason >= 0) return <u32>reason;
    }
    if (cpu.modeKey & ModeKey.SINGLE || cpu.interruptShadow) {
      stepOne(cpu);
      if (cpu.budget <= 0) return ExitReason.BUDGET;
      continue;
    }
    const block = blockAtRip(cpu);
    if (block == 0) {
      deliverFault(cpu);
      continue;
    }
    runBlock(cpu, block);
    if (cpu.budget <= 0) return ExitReason.BUDGET;
  }
}

/** Walks the records of a block and settles RIP, the instruction count and a fault. */
@inline
export function runBlock(cpu: Vcpu, block: usize): void {
  const first = block + BLOCK_RECORDS;
  let at = first;
  cpu.blockRip = cpu.rip;
  cpu.curBlock = <u32>block;
  let status: i32;
  do {
    status = call_indirect<i32>(load<u16>(at), cpu, changetype<Rec>(at));
    at += RECORD_BYTES;
  } while (status == Status.NEXT);
  settle(cpu, changetype<Rec>(at - RECORD_BYTES), <u32>((at - first) >> 4), status);
}

/** After `n` records, the last of which ended the block with `status`. */
@inline
function settle(cpu: Vcpu, rec: Rec, n: u32, status: i32): void {
  cpu.curBlock = 0;
  if (status == Status.BRANCH) {
    cpu.icount += n;
    cpu.budget -= n;
    return;
  }
  settleSlow(cpu, rec, n, status);
}

function settleSlow(cpu: Vcpu, rec: Rec, n: u32, status: i32): void {
  const next = cpu.blockRip + <u64>rec.next;
  const done = status == Status.END ? n : n - 1;
  const rip = status == Status.END ? next : next - <u64>rec.len;
  cpu.rip = (cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64 ? rip : rip & 0xffffffff;
  cpu.icount += done;
  // A restart or a fault costs budget too: no guest keeps the processor by going nowhere.
  cpu.budget -= n;
  if (status == Status.FAULT) deliverFault(cpu);
}
