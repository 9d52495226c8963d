/** Front door of the hypervisor's log. */
export { HypervisorLogView } from "./hypervisor-log-view.js";
