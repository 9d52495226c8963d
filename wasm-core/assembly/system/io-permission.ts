/** Whether code at the present level may use an I/O port. [SDM] vol. 1, 19.5. */
import { SegIndex, Vcpu } from "../gen/layout";
import { iopl, isReal, isVm86 } from "../cpu/modes";
import { segReg } from "../cpu/regs";
import { sysR } from "../mmu/slow";
import { failGp } from "./tables";

const IO_MAP_BASE: u32 = 0x66;
const TYPE_WIDE: u32 = 8;

/** False with #GP(0), or a page fault of the TSS, raised. */
export function portAllowed(cpu: Vcpu, port: u32, size: u32): bool {
  if (isReal(cpu) || (!isVm86(cpu) && <u32>cpu.cpl <= iopl(cpu))) return true;
  const tr = segReg(cpu, SegIndex.TR);
  if (!((<u32>tr.attr) & TYPE_WIDE) || tr.limit < IO_MAP_BASE + 1) return failGp(cpu);
  const p = sysR(cpu, tr.base + IO_MAP_BASE, 2);
  if (p == 0) return false;
  const at = <u32>load<u16>(p) + (port >> 3);
  // Two bytes are always read: an access may cover bits of both.
  if (at + 1 > tr.limit) return failGp(cpu);
  const q = sysR(cpu, tr.base + <u64>at, 2);
  if (q == 0) return false;
  const wanted = ((1 << size) - 1) << (port & 7);
  return ((<u32>load<u16>(q)) & wanted) == 0 || failGp(cpu);
}
