/** The exit port, with the meaning of QEMU's isa-debug-exit: a write of v ends the domain with status v * 2 + 1. */
import { Domain, DomainOff, ShutdownReason } from "../../gen/layout";
import { domainShutdown } from "../../mem/domains";

const NO_STATUS: u32 = 0xffffffff;

/** No status is NO_STATUS; a process has eight bits for it anyway. */
const STATUS_BITS: u32 = 0x7fffffff;

/** Ends the domain; the first status stands. */
export function exitPortWrite(dom: Domain, value: u32): void {
  const status = ((value << 1) | 1) & STATUS_BITS;
  atomic.cmpxchg<u32>(changetype<usize>(dom) + DomainOff.exitStatus, NO_STATUS, status);
  domainShutdown(dom, ShutdownReason.POWEROFF);
}
