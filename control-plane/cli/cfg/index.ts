/** xl.cfg(5): the syntax. What the keys mean is the business of `../config.ts`. */
export { CfgSyntaxError, formatPosition, type Position } from "./error.js";
export { applyOverrides, isOverride } from "./overrides.js";
export { parseCfg } from "./parser.js";
export { type Cfg, type CfgValue, kindName, type Setting, type StringValue } from "./value.js";
