/** Front door of what all views share. */
export * from "./ask.js";
export * from "./confirm.js";
export * from "./context.js";
export * from "./dom.js";
export * from "./field.js";
export * from "./icons.js";
export * from "./menu.js";
export * from "./snapshot.js";
export * from "./vdev.js";
export * from "./view.js";
