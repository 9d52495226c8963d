/**
 * By which entries of its TLBs a vCPU may write a frame. Who begins to watch a frame takes the write right from all vCPUs,
 * and would look through some thousands of entries of each: so each has, for the frames of one hash, the only entry that
 * may let them be written, or that there are several. What is written down may be of the past; no entry is missing.
 */
import { Domain, TLB_BYTES, TLB_WRITERS, TlbEntry, TlbEntry_SIZE, Vcpu } from "../gen/layout";
import { domainOfVcpu, firstVcpu, lockDomains, nextVcpu, unlockDomains } from "../mem/domains";
import { EMPTY_TAG } from "./tlb";

/** Stands for several entries; one has its number and one more. */
const MANY: u32 = 0xffff;
/** Of both tables. */
const ENTRIES: u32 = <u32>TLB_BYTES / <u32>TlbEntry_SIZE;

@inline
function placeOf(cpu: Vcpu, host: u32): usize {
  return <usize>cpu.tlbWriters + ((<usize>((host >> 12) & (TLB_WRITERS - 1))) << 1);
}

@inline
function entryAt(cpu: Vcpu, known: u32): TlbEntry {
  return changetype<TlbEntry>(<usize>cpu.tlbBase + (<usize>known - 1) * TlbEntry_SIZE);
}

/** Whether the entry lets a frame be written whose place is that of `host`. */
@inline
function isOfPlace(e: TlbEntry, host: u32): bool {
  const frame = e.delta + ((<u32>e.tagW) & ~0xfff);
  return e.tagW != EMPTY_TAG && (((frame ^ host) >> 12) & (TLB_WRITERS - 1)) == 0;
}

/** By the vCPU itself, before it lets frame `host` be written by `e`: who takes that away marks the frame and then looks here. */
export function noteWriter(cpu: Vcpu, e: TlbEntry, host: u32): void {
  const at = placeOf(cpu, host);
  const known = <u32>load<u16>(at);
  const own = <u32>((changetype<usize>(e) - <usize>cpu.tlbBase) / TlbEntry_SIZE) + 1;
  if (known == own || known == MANY) return;
  const isOnly = known == 0 || !isOfPlace(entryAt(cpu, known), host);
  atomic.store<u16>(at, <u16>(isOnly ? own : MANY));
}

/**
 * Takes the write right to frame `host` from `cpu`, and with it that to the others of its place: they cost a miss at most, and
 * are mostly of address spaces that are gone. The vCPU itself knows then that no entry is left.
 */
function protectOn(cpu: Vcpu, host: u32, isSelf: bool): void {
  const at = placeOf(cpu, host);
  const known = <u32>atomic.load<u16>(at);
  if (known == 0) return;
  const last = known == MANY ? ENTRIES : known;
  for (let n: u32 = known == MANY ? 1 : known; n <= last; n++) {
    const e = entryAt(cpu, n);
    if (isOfPlace(e, host)) e.tagW = EMPTY_TAG;
  }
  if (isSelf) store<u16>(at, 0);
}

/**
 * Takes the write right to frame `host` from every vCPU that may have it: those of the domain of `cpu`, or when it is `shared`
 * all. Its writes are seen from now on.
 */
export function tlbProtectEverywhere(cpu: Vcpu, host: u32, shared: bool): void {
  const only = shared ? changetype<Domain>(0) : domainOfVcpu(cpu);
  if (shared) lockDomains();
  for (let each = firstVcpu(only); changetype<usize>(each) != 0; each = nextVcpu(each, only))
    protectOn(each, host, each == cpu);
  if (shared) unlockDomains();
}
