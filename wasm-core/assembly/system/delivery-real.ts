/**
 * Delivery through a real-mode interrupt vector table: in real mode by IDTR, and for software interrupts that CR4.VME
 * redirects to the 8086 program in virtual-8086 mode, by the table at linear 0. [SDM] vol. 3B, 20.1.4 and 20.3.3.
 */
import { SegIndex, Status, Vcpu } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { raiseError, Vector } from "../cpu/faults";
import { Flag, readFlags } from "../cpu/flags";
import { iopl } from "../cpu/modes";
import { segReg } from "../cpu/regs";
import { csReg } from "../cpu/segments";
import { linR } from "../mmu/access";
import { sysR } from "../mmu/slow";
import { enterRealCode } from "./far";
import { setFlags } from "./modes";
import { commitStack, openStack, pushSized } from "./stack";
import { failGp, failSelector } from "./tables";

/** Offset of the I/O map base in a TSS; the redirection map's 32 bytes lie just below the I/O map. */
const IO_MAP_BASE: u64 = 0x66;

export function deliverReal(cpu: Vcpu, vector: u32): bool {
  const at = vector << 2;
  if (at + 3 > cpu.idtrLimit) return failGp(cpu);
  const p = sysR(cpu, cpu.idtrBase + <u64>at, 4);
  if (p == 0) return false;
  return enterHandler(cpu, load<u32>(p), readFlags(cpu), Flag.IF | Flag.TF | Flag.AC | Flag.RF);
}

/** Pushes `image`, CS and IP, and continues at the far pointer `target` with the flags in `clear` off. */
function enterHandler(cpu: Vcpu, target: u32, image: u32, clear: u32): bool {
  const v = openStack(cpu);
  if (!pushSized(cpu, v, 2, image) || !pushSized(cpu, v, 2, csReg(cpu).selector)) return false;
  if (!pushSized(cpu, v, 2, cpu.rip)) return false;
  if (!enterRealCode(cpu, target >> 16, <u64>(target & 0xffff))) return false;
  commitStack(cpu, v);
  setFlags(cpu, readFlags(cpu) & ~clear);
  return true;
}

/** Bit `vector` of the TSS's redirection map: 1 keeps the interrupt in protected mode; 2 when reading it faulted. */
function redirectionBit(cpu: Vcpu, vector: u32): u32 {
  const tr = segReg(cpu, SegIndex.TR);
  if (tr.limit < 0x67) {
    failGp(cpu);
    return 2;
  }
  const p = sysR(cpu, tr.base + IO_MAP_BASE, 2);
  if (p == 0) return 2;
  const offset = <u32>load<u16>(p) - 32 + (vector >> 3);
  if (offset > tr.limit) {
    failSelector(cpu, Vector.GP, 0);
    return 2;
  }
  const q = sysR(cpu, tr.base + <u64>offset, 1);
  return q == 0 ? 2 : ((<u32>load<u8>(q)) >> (vector & 7)) & 1;
}

/** INT n in virtual-8086 mode. Status.NEXT when it takes the protected-mode IDT. */
export function redirectVm86(cpu: Vcpu, vector: u32): i32 {
  const bit = cpu.cr4 & Cr4.VME ? redirectionBit(cpu, vector) : 1;
  if (bit == 2) return Status.FAULT;
  const trusted = iopl(cpu) == 3;
  if (bit == 1) return trusted ? Status.NEXT : raiseError(cpu, Vector.GP, 0);
  const p = linR(cpu, <u64>(vector << 2), 4, false);
  if (p == 0) return Status.FAULT;
  const target = load<u32>(p);
  const flags = readFlags(cpu);
  let ok: bool;
  if (trusted) ok = enterHandler(cpu, target, flags, Flag.IF | Flag.TF | Flag.NT);
  else {
    const image = (flags & ~Flag.IF) | Flag.IOPL | (flags & Flag.VIF ? Flag.IF : 0);
    ok = enterHandler(cpu, target, image, Flag.VIF | Flag.TF | Flag.NT);
  }
  return ok ? Status.BRANCH : Status.FAULT;
}
