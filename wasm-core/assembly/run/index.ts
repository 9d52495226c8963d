/** Running a vCPU. */
export { runVcpu } from "./run";
