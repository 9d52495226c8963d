/** Getting a vCPU's attention: the one thing the interrupt controllers ask of the scheduler. */
export { vcpuKick } from "../sched/wake";
