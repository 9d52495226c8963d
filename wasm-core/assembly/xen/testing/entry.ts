/** What the tests of xen/ and sched/ drive. Compiled by them alone. */
import { Vcpu } from "../../gen/layout";
import { hypercall } from "../hypercall";
import { CONTINUE, setArg } from "../guest";
import { dispatch } from "../hypercall";
import { xenOf, xenPendingVector } from "../evtchn/upcall";
import { pcpuAbandon, pcpuIdleNs, pcpuRun } from "../../run";
import { writeHypercallPage } from "../hypercall-page";
import { logWrite } from "../log";
import { armMonitor, waitForWrite } from "../../mmu/monitor";
import { walk } from "../../mmu/walk";

export * from "../domain0";
export { pcpuAbandon, pcpuRun, pcpuIdleNs, logWrite, armMonitor, waitForWrite, walk };

/** Runs a hypercall's continuations until its end; CONTINUE when there is none. */
function run(cpu: Vcpu, nr: u32, wide: bool, a0: u64, a1: u64, a2: u64, a3: u64, a4: u64): i64 {
  const x = xenOf(cpu);
  x.wide = wide ? 1 : 0;
  setArg(x, 0, a0);
  setArg(x, 1, a1);
  setArg(x, 2, a2);
  setArg(x, 3, a3);
  setArg(x, 4, a4);
  for (let i = 0; i < 100000; i++) {
    const result = dispatch(cpu, x, nr);
    if (result != CONTINUE) return result;
  }
  return CONTINUE;
}

/** A hypercall with its arguments given, as from 64-bit code; continuations are run until the end. */
export function call(cpu: Vcpu, nr: u32, a0: u64, a1: u64, a2: u64, a3: u64, a4: u64): i64 {
  return run(cpu, nr, true, a0, a1, a2, a3, a4);
}

/** As call, from 32-bit code: 32-bit arguments and the structures of 32-bit guests. */
export function callNarrow(cpu: Vcpu, nr: u32, a0: u32, a1: u32, a2: u32, a3: u32, a4: u32): i32 {
  const result = run(cpu, nr, false, a0, a1, a2, a3, a4);
  return result == CONTINUE ? i32.MIN_VALUE : <i32>result;
}

/** As call, but says CONTINUE (the lowest i64) at the first continuation. */
export function callOnce(cpu: Vcpu, nr: u32, a0: u64, a1: u64, a2: u64, wide: bool): i64 {
  const x = xenOf(cpu);
  x.wide = wide ? 1 : 0;
  setArg(x, 0, a0);
  setArg(x, 1, a1);
  setArg(x, 2, a2);
  return dispatch(cpu, x, nr);
}

export function vmcall(cpu: Vcpu): i32 {
  return hypercall(cpu);
}
export function pendingVector(cpu: Vcpu): i32 {
  return xenPendingVector(cpu);
}
export function hypercallPage(cpu: Vcpu, value: u64): bool {
  return writeHypercallPage(cpu, value);
}
