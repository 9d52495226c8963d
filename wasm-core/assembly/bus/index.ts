/** The buses: port and memory-mapped I/O of a domain, and its platform's timers. */
export { isIoApicPage, isLapicPage, mmioRead, mmioWrite } from "./mmio";
export { platformDeadline, platformFire, platformReset, platformSerialNotify } from "./platform";
export { ioRead, ioWrite, ioWriteBlocked } from "./ports";
export { platformRestore, platformSave, platformSavedBytes } from "./saved";
