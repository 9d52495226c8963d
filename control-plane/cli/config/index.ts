/** Configurations: from files and arguments to DomainConfig. */
export { type ConfigDefaults, type DomainPlan, planDomain } from "./config.js";
export { loadImages, planFromOverrides, readPlan, sortArguments } from "./load.js";
