/** Front door of the disks screen. */
export { DisksView } from "./disks-view.js";
