/** What Domain0 tells of a domain: read from the core's structures at the moment of asking, never kept. */
import { VcpuRunState } from "../../wasm-core/abi/structs/sched.js";
import type { DomainInfo, DomainState, VcpuInfo } from "../api/types.js";
import { type CoreLink, domainView, PAGE_BYTES, type VcpuView, vcpuView } from "../core-link/index.js";
import type { DomainRecord } from "./record.js";

const RUNNABLE = Number(VcpuRunState.values.RUNNABLE);
const RUNNING = Number(VcpuRunState.values.RUNNING);
const NONE = 0xffffffff;

export function describeDomain(core: CoreLink, record: DomainRecord, nowNs: number): DomainInfo {
  const domain = domainView(core, record.domid);
  const vcpus = describeVcpus(core, record);
  const sum = (key: "cpuSeconds" | "instructions") => vcpus.reduce((total, vcpu) => total + vcpu[key], 0);
  const { outcome } = record;
  return {
    domid: record.domid,
    name: record.name,
    uuid: record.uuid,
    state: stateOf(record, vcpus),
    ...(outcome ? { shutdownReason: outcome.reason } : {}),
    ...(outcome?.exitStatus !== undefined ? { exitStatus: outcome.exitStatus } : {}),
    memoryKiB: record.targetBytes / 1024,
    maxMemoryKiB: record.config.maxMemoryBytes / 1024,
    populatedKiB: ((domain?.get("totPages") ?? 0) * PAGE_BYTES) / 1024,
    vcpus,
    cpuSeconds: sum("cpuSeconds"),
    uptimeSeconds: Math.max(0, nowNs - record.createdNs) / 1e9,
    instructions: sum("instructions"),
    ...sharesOf(core, record, sum("instructions")),
  };
}

function sharesOf(core: CoreLink, record: DomainRecord, instructions: number): Pick<DomainInfo, "jit"> {
  let [inRegions, handler] = [0, 0];
  for (const vcpu of vcpusOf(core, record)) {
    inRegions += vcpu.get("regionInstructions");
    handler += vcpu.get("regionHandlers");
  }
  if (inRegions === 0) return {};
  return { jit: { region: inRegions - handler, handler, interpreter: Math.max(0, instructions - inRegions) } };
}

function vcpusOf(core: CoreLink, record: DomainRecord): VcpuView[] {
  const ids = record.exists ? [...Array(record.config.maxVcpus).keys()] : [];
  return ids.flatMap((id) => vcpuView(core, record.domid, id) ?? []);
}

function describeVcpus(core: CoreLink, record: DomainRecord): VcpuInfo[] {
  return vcpusOf(core, record).map(describeVcpu);
}

function describeVcpu(vcpu: VcpuView, id: number): VcpuInfo {
  const online = vcpu.get("online") !== 0;
  const run = vcpu.get("runState");
  const pcpu = vcpu.get("pcpu");
  const state = !online ? "offline" : run === RUNNING ? "running" : run === RUNNABLE ? "runnable" : "blocked";
  return {
    id,
    online,
    state,
    pcpu: run === RUNNING && pcpu !== NONE ? pcpu : null,
    cpuSeconds: vcpu.get("cpuNs") / 1e9,
    instructions: vcpu.get("icount"),
  };
}

function stateOf(record: DomainRecord, vcpus: readonly VcpuInfo[]): DomainState {
  if (record.dying) return "dying";
  if (record.outcome) return record.outcome.reason === "crash" ? "crashed" : "shutdown";
  if (record.userPaused) return "paused";
  return vcpus.some(({ state }) => state === "running" || state === "runnable") ? "running" : "blocked";
}
