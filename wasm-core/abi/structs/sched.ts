/** The scheduler's vocabulary: states and priorities of a vCPU, why the run loop returned, why a pCPU returned. */
import { constants } from "../layout.js";

/** Weight of a domain that nobody gave another. [XEN] sched-credit */
export const DEFAULT_WEIGHT = 256;
export const MAX_WEIGHT = 65535;
/** Machine.timeslice at first, and its limits, ns. */
export const DEFAULT_TIMESLICE = 4_000_000;
export const MIN_TIMESLICE = 1_000_000;
export const MAX_TIMESLICE = 1_000_000_000;
/** Pcpu.priority of an idle pCPU; real ones are above. */
export const PRIORITY_NONE = 0;

export const Priority = constants("Priority", "Values of Vcpu.priority, the higher first; a queue each.", {
  /** has used more than its share */
  OVER: 1,
  /** has credit */
  UNDER: 2,
  /** was woken by an event while it had credit */
  BOOST: 3,
});

export const VcpuRunState = constants("VcpuRunState", "Values of Vcpu.runState; changed under Machine.schedLock.", {
  /** waits for an event or its timer, or its domain is paused */
  BLOCKED: 0,
  /** in the run queue */
  RUNNABLE: 1,
  /** a pCPU has it */
  RUNNING: 2,
});

export const ExitReason = constants("ExitReason", "Why runVcpu returned.", {
  /** the budget is spent */
  BUDGET: 0,
  /** HLT, MWAIT or waiting for SIPI: nothing to run until an event */
  HALT: 1,
  /** EventBit.STOP */
  STOP: 2,
  TRIPLE_FAULT: 3,
  /** a state the run loop cannot go on from */
  INTERNAL: 4,
});

export const PcpuExit = constants("PcpuExit", "What pcpuRun returns.", {
  /** vCPUs still wait: call again after a turn of the event loop */
  AGAIN: 0,
  /** sleep on the doorbell for pcpuIdleNs at most */
  IDLE: 1,
});
