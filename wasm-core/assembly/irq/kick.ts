/** Getting a vCPU's attention, wherever it is: in a pCPU, in a run queue or asleep. */
export { vcpuKick } from "../sched/wake";
