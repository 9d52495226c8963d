export type { DropName, PortCounters } from "./counters.js";
export type { Flow, FlowDirection } from "./flow-table.js";
export type { MacLimits } from "./mac-table.js";
export type { Impairment, ImpairmentStats } from "./pipe.js";
export type { Port, PortInfo, PortOptions } from "./port.js";
export { type MacInfo, Switch, type SwitchParts, type SwitchStats } from "./switch.js";
