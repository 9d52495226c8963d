/**
 * Lays out a fresh machine: the Machine struct and the pCPUs at their fixed addresses, then, behind the compiler's
 * constants, the frame table, the table of domains and the log, then the frames that the allocators hand out.
 */
import {
  DEFAULT_TIMESLICE,
  Frame_SIZE,
  FrameType,
  LOG_BYTES,
  Machine_SIZE,
  MACHINE_BASE,
  MACHINE_MAGIC,
  MAX_PCPUS,
  Pcpu,
  Pcpu_SIZE,
  PCPU_BASE,
} from "../gen/layout";
import { hostTime, machine, NEVER } from "../util/host";
import { frameOf } from "./frames";

const MAX_FRAMES: u32 = 1 << 20;
const DOMID_SLOTS: usize = 32768;
/** Frames that the hypervisor's own structures may take beyond those of guests: vCPUs, p2m nodes, grant tables. */
const OVERHEAD_FRAMES: u32 = 8192;
/** Instructions per microsecond assumed before the first measurement. */
const FIRST_RATE: u32 = 50;
/** Pcpu.cpuShare while nothing better is known: all of the time. */
const WHOLE_SHARE: u32 = 0x10000;

@inline
function pageUp(address: usize): usize {
  return (address + 4095) & ~4095;
}

/** Address of a pCPU. */
@inline
export function pcpuOf(id: u32): Pcpu {
  return changetype<Pcpu>(PCPU_BASE + <usize>id * Pcpu_SIZE);
}

/**
 * Lays the machine out for at most `maxFrames` frames of guests. 0, or a negative errno: -EINVAL for impossible numbers,
 * -EBUSY when it was done before, -ENOMEM when the memory does not hold the tables.
 */
export function layoutMachine(maxFrames: u32, pcpus: u32, deterministic: bool, seed: u64): i32 {
  const m = machine();
  if (m.magic == <u32>MACHINE_MAGIC) return -16;
  if (pcpus == 0 || pcpus > <u32>MAX_PCPUS || maxFrames == 0 || (deterministic && pcpus != 1)) return -22;
  const tableAt = pageUp(__heap_base);
  const room = min(maxFrames, MAX_FRAMES);
  const overhead = OVERHEAD_FRAMES + room / 64;
  const guess = min(MAX_FRAMES, <u32>(tableAt >> 12) + 256 + room / 256 + room + overhead);
  const domainsAt = pageUp(tableAt + <usize>guess * Frame_SIZE);
  const strandedAt = domainsAt + DOMID_SLOTS * 4;
  const logAt = pageUp(strandedAt + DOMID_SLOTS * 4);
  const end = pageUp(logAt + LOG_BYTES);
  const first = <u32>(end >> 12);
  if (first >= guess || !grow(end)) return -12;
  memory.fill(MACHINE_BASE, 0, Machine_SIZE);
  m.pcpus = pcpus;
  m.deterministic = deterministic ? 1 : 0;
  m.frameTable = <u32>tableAt;
  m.totalFrames = guess;
  m.firstFrame = first;
  m.freshFrame = first;
  m.domainTable = <u32>domainsAt;
  m.stranded = <u32>strandedAt;
  m.logBase = <u32>logAt;
  m.nextWake = NEVER;
  m.timekeeper = -1;
  m.timeslice = DEFAULT_TIMESLICE;
  m.startNs = hostTime();
  m.rng = seed;
  for (let i: u32 = 0; i < pcpus; i++) {
    pcpuOf(i).id = i;
    pcpuOf(i).rate = FIRST_RATE;
    pcpuOf(i).cpuShare = WHOLE_SHARE;
  }
  for (let mfn: u32 = 0; mfn < first; mfn++) frameOf(mfn).type = <u8>FrameType.RESERVED;
  return 0;
}

/** Declares the machine usable; the last step of machineInit. */
export function machineReady(): void {
  atomic.store<u32>(MACHINE_BASE, <u32>MACHINE_MAGIC);
}

function grow(end: usize): bool {
  const need = <i32>((end + 65535) >> 16);
  const have = <i32>memory.size();
  return need <= have || memory.grow(need - have) >= 0;
}
