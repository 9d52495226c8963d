/** Running one decoded block: its records one after the other, then what their last one leaves to settle. */
import { BLOCK_RECORDS, ModeKey, RECORD_BYTES, Status, Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { runRecords } from "../gen/handlers";
import { deliverFault } from "../system/delivery";

/** Runs the records of a block and settles RIP, the instruction count and a fault. */
@inline
export function runBlock(cpu: Vcpu, block: usize): void {
  const first = block + BLOCK_RECORDS;
  cpu.blockRip = cpu.rip;
  cpu.curBlock = <u32>block;
  const ended = runRecords(cpu, first);
  const end = ended & -RECORD_BYTES;
  settle(cpu, changetype<Rec>(end - RECORD_BYTES), <u32>((end - first) >> 4), <i32>(ended - end));
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
