/** The local APIC. */
export { lapicError, lapicInject, lapicLatch, lapicPresent, lapicX2apic } from "../message";
export {
  lapicEoi,
  lapicInitReset,
  lapicRaiseLocal,
  lapicRead,
  lapicReset,
  lapicSipiVector,
  lapicWrite,
} from "./device";
export { lapicMsrRead, lapicMsrReadable, lapicMsrWrite, lapicSetBase } from "./msr";
export { lapicAck, lapicPending, lapicSetTpr, lapicTpr } from "./priority";
export { lapicTimerDeadline, lapicTimerFire, lapicTscDeadlineRead, lapicTscDeadlineWrite } from "./timer";
export { LAPIC_SAVED_BYTES, lapicRestore, lapicSave } from "./saved";
