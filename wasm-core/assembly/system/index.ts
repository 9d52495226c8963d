/** Segmentation, privilege, control transfers, events, tasks and system registers: the processor above the MMU. */
export { setCr3 } from "./address-space";
export { clearTaskSwitched, loadMachineStatus, setCr0, setCr4, setEfer } from "./control-regs";
export { debugAfter, debugBefore } from "./debug-step";
export {
  deliverDebugTrap,
  deliverException,
  deliverFault,
  deliverIcebp,
  deliverInterrupt,
  deliverNmi,
  softwareInterrupt,
  transferStatus,
} from "./delivery";
export { EventKind } from "./event-kind";
export { farCall, farJump } from "./far";
export { endSlice, giveWay, hypercall, interruptFlagRose, raiseEvent, tripleFault } from "./hooks";
export { portAllowed } from "./io-permission";
export { loadLdt, loadSegment, loadTaskRegister } from "./load-segment";
export { deliverMachineCheck } from "./machine-check";
export { setFlags, updateMode } from "./modes";
export { guestTsc, readMsr, writeMsr } from "./msr";
export { accessRights, Probe, segmentLimit, verifySegment } from "./probe";
export { readControl, readDebug, resetDebug, writeControl, writeDebug } from "./registers";
export { farReturn, interruptReturn, USER_FLAGS, USER_FLAGS_WIDE } from "./returns";
