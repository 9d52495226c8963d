/** Front door of the page's state: plain stores and pure functions, no DOM and no workers. */
export * from "./boot-options.js";
export * from "./boot-stages.js";
export * from "./domains.js";
export * from "./errors.js";
export * from "./format.js";
export * from "./image-jobs.js";
export * from "./image-names.js";
export * from "./image-shelf.js";
export * from "./launch.js";
export type { Fetch } from "./manifest.js";
export * from "./network-joins.js";
export * from "./network-names.js";
export * from "./network-text.js";
export * from "./network-watch.js";
export * from "./requirements.js";
export * from "./settings.js";
export * from "./spark-points.js";
export * from "./store.js";
