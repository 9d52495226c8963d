/**
 * Where a domain's vCPUs run and how much of the pCPUs they get, in the words of the core: sets of pCPUs, weight and cap.
 * The scheduler itself is the core's.
 */
import type { CpuSet, SchedulingChange } from "../api/types.js";
import { type CoreLink, domainView, machineView, type VcpuView } from "../core-link/index.js";
import { err, ok, type Result } from "../util/index.js";
import { checkScheduling } from "./config.js";
import type { DomainRecord } from "./record.js";

const SET_WORDS = 4;
const WORD_BITS = 32;
const ALL_ONES = 0xffffffff;

type Checked = Result<void, "bad-config">;

/** The bits of a set, word by word; null when it has a pCPU that the machine has not, or none at all. */
function wordsOf(set: CpuSet, pcpus: number): number[] | null {
  if (set === "all") return Array<number>(SET_WORDS).fill(ALL_ONES);
  const words = Array<number>(SET_WORDS).fill(0);
  for (const pcpu of set) {
    if (!Number.isInteger(pcpu) || pcpu < 0 || pcpu >= pcpus) return null;
    words[Math.floor(pcpu / WORD_BITS)]! |= 1 << (pcpu % WORD_BITS);
  }
  return set.length === 0 ? null : words;
}

/** The pCPUs of the machine that a vCPU's set names. */
export function readCpuSet(core: CoreLink, vcpu: VcpuView, field: "affinity" | "softAffinity"): number[] {
  const pcpus = machineView(core).get("pcpus");
  return Array.from({ length: pcpus }, (_, pcpu) => pcpu).filter(
    (pcpu) => (vcpu.get(field, Math.floor(pcpu / WORD_BITS)) & (1 << (pcpu % WORD_BITS))) !== 0,
  );
}

/** Sets where a vCPU may run (hard), or where it is to run by preference (soft). */
export function setAffinity(
  core: CoreLink,
  record: DomainRecord,
  vcpu: number,
  kind: "hard" | "soft",
  set: CpuSet,
): Checked {
  const pcpus = machineView(core).get("pcpus");
  const words = wordsOf(set, pcpus);
  if (!words) return err("bad-config", `the machine has pCPUs 0 to ${pcpus - 1}: "xl info" tells how many`);
  const [w0, w1, w2, w3] = words as [number, number, number, number];
  const status = core.calls.vcpuSetAffinity(record.domid, vcpu, kind === "soft" ? 1 : 0, w0, w1, w2, w3);
  if (status >= 0) return ok(undefined);
  return err("bad-config", `domain ${record.domid} has no vCPU ${vcpu}: it has 0 to ${record.config.maxVcpus - 1}`);
}

/** Changes weight and cap of a domain; they count from the next accounting on. */
export function setScheduling(core: CoreLink, record: DomainRecord, change: SchedulingChange): Checked {
  const wrong = checkScheduling(change, record.config.maxVcpus);
  if (wrong !== null) return err("bad-config", wrong);
  const domain = domainView(core, record.domid);
  if (change.weight !== undefined) domain?.set("weight", change.weight);
  if (change.cap !== undefined) domain?.set("cap", change.cap);
  return ok(undefined);
}

/** Applies what the configuration says, before the domain runs. */
export function applyScheduling(core: CoreLink, record: DomainRecord): Checked {
  const { weight, cap, cpus, softCpus, maxVcpus } = record.config;
  const set = setScheduling(core, record, { weight, cap });
  if (!set.ok) return set;
  for (let vcpu = 0; vcpu < maxVcpus; vcpu++) {
    const hard = forVcpu(cpus, vcpu);
    const soft = forVcpu(softCpus, vcpu);
    const placed = hard === null ? ok(undefined) : setAffinity(core, record, vcpu, "hard", hard);
    if (!placed.ok) return err("bad-config", `cpus: ${placed.error.message}`);
    const preferred = soft === null ? ok(undefined) : setAffinity(core, record, vcpu, "soft", soft);
    if (!preferred.ok) return err("bad-config", `cpus_soft: ${preferred.error.message}`);
  }
  return ok(undefined);
}

/** One set is every vCPU's; of several each vCPU has its own, and those beyond run anywhere. */
function forVcpu(sets: readonly CpuSet[], vcpu: number): CpuSet | null {
  return (sets.length === 1 ? sets[0] : sets[vcpu]) ?? null;
}
