/**
 * MONITOR's watch on a line of memory. A frame with an armed line is never entered for writing, so that every write to
 * it comes by here, as with frames that hold code. [SDM] vol. 2B, "MONITOR"; vol. 3A, 10.10.
 */
import { Domain, Frame, FrameFlag, Vcpu } from "../gen/layout";
import { domainVcpu } from "../mem/domains";
import { frameOf } from "../mem/frames";
import { vcpuKick } from "../sched/wake";
import { tlbProtectFrame } from "./tlb";

/** Bytes that one MONITOR watches. */
export const MONITOR_LINE: u64 = 64;
/** Vcpu.monitorGpa when nothing is armed. */
export const NO_MONITOR: u64 = 0xffffffffffffffff;

/** Arms the line around guest-physical `gpa`, whose frame lies at machine address `host`. */
export function armMonitor(cpu: Vcpu, gpa: u64, host: u32): void {
  const frame = frameOf(host >> 12);
  frame.flags |= <u8>FrameFlag.MONITORED;
  cpu.monitorGpa = gpa & ~(MONITOR_LINE - 1);
  const domain = changetype<Domain>(<usize>cpu.domain);
  for (let i: u32 = 0; i < domain.maxVcpus; i++) tlbProtectFrame(domainVcpu(domain, i), host & ~4095);
}

@inline
function hits(line: u64, gpa: u64, size: u32): bool {
  return line < gpa + <u64>size && gpa < line + MONITOR_LINE;
}

/** `size` bytes at `gpa` in `frame` are about to be written: whoever waits for that goes on. */
export function writeToMonitored(cpu: Vcpu, frame: Frame, gpa: u64, size: u32): void {
  const domain = changetype<Domain>(<usize>cpu.domain);
  let armed = false;
  for (let i: u32 = 0; i < domain.maxVcpus; i++) {
    const other = domainVcpu(domain, i);
    const line = other.monitorGpa;
    if (line == NO_MONITOR || (line ^ gpa) >> 12 != 0) continue;
    if (!hits(line, gpa, size)) {
      armed = true;
      continue;
    }
    other.monitorGpa = NO_MONITOR;
    if (!other.mwait) continue;
    other.mwait = 0;
    other.halted = 0;
    vcpuKick(other, 0);
  }
  if (!armed) frame.flags &= ~(<u8>FrameFlag.MONITORED);
}
