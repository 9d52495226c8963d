/** The core's exports: CoreExports of abi/core-api.ts and nothing else. */
import { codeCacheInit } from "./decode/cache-init";
import { jitInit } from "./jit/regions";
import { Errno } from "./gen/layout";
import { machineInit as initMachine } from "./xen/domain0";

export {
  domainAddMapEntry,
  domainAddRam,
  domainAddress,
  domainCreate,
  domainDestroy,
  domainHold,
  domainPage,
  domainPause,
  domainPeek,
  domainPin,
  domainQuiescent,
  domainResume,
  domainSetPlatform,
  domainShutdown,
  domainUnpause,
  domainUnpin,
  evtchnAllocUnbound,
  evtchnBind,
  evtchnClose,
  evtchnNotify,
  evtchnTake,
  grantMap,
  grantUnmap,
  hvmParamGet,
  hvmParamSet,
  machineFreeFrames,
  machineNow,
  machineTotalFrames,
  serialNotify,
  vcpuAddress,
  vcpuSetAffinity,
  vcpuStartPvh,
  vcpuTrigger,
  virqRaise,
} from "./xen/domain0";
export { pcpuAbandon, pcpuIdleNs, pcpuRun } from "./run";
export {
  regionCondition,
  regionEnd,
  regionFlags,
  regionNone,
  regionPage,
  regionPutOff,
  regionRead,
  regionWrite,
} from "./jit/doors";
export { jitStart } from "./jit/regions";
export { regionX87 } from "./jit/x87";

export function machineInit(maxFrames: u32, pcpus: u32, deterministic: u32, seedLo: u32, seedHi: u32): i32 {
  const result = initMachine(maxFrames, pcpus, deterministic, seedLo, seedHi);
  if (result < 0) return result;
  return codeCacheInit() && jitInit() ? 0 : -Errno.ENOMEM;
}
