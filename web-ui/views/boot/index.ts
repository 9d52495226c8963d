/** Front door of the boot screen. */
export { BootView } from "./boot-view.js";
export { installDropTarget } from "./drop-target.js";
export { OwnKernelForm } from "./own-kernel-form.js";
