/** What the tests of cpu/ drive. Compiled by them alone. */
import { Domain, DomainOff, Vcpu, Vcpu_SIZE } from "../gen/layout";
import { cpuid as identify } from "./cpuid";
import {
  descAttr,
  descBase,
  descDpl,
  descIsCode,
  descIsStack,
  descLimit,
  descPresent,
  descType,
  gateOffset,
  gateSelector,
} from "./descriptors";
import { setDr } from "./debug";
import { checkDataBreakpoint, checkIoBreakpoint, hasDataBreakpoints, instructionBreakpoints } from "./watch";

export {
  checkDataBreakpoint,
  checkIoBreakpoint,
  descAttr,
  descBase,
  descDpl,
  descIsCode,
  descIsStack,
  descLimit,
  descPresent,
  descType,
  gateOffset,
  gateSelector,
  hasDataBreakpoints,
  instructionBreakpoints,
  setDr,
};

const DOMAIN_AT: usize = 0x80000;
const VCPU_AT: usize = 0x90000;

/** A vCPU with APIC id 2 * `id` in a domain of `count`. */
export function makeVcpu(id: u32, count: u32): usize {
  const end = VCPU_AT + <usize>count * Vcpu_SIZE;
  if ((<usize>memory.size()) << 16 < end) memory.grow(<i32>(end >> 16) + 1 - memory.size());
  const dom = changetype<Domain>(DOMAIN_AT);
  dom.domid = 7;
  dom.maxVcpus = count;
  for (let i: u32 = 0; i < count; i++) {
    const cpu = changetype<Vcpu>(VCPU_AT + <usize>i * Vcpu_SIZE);
    cpu.domain = <u32>DOMAIN_AT;
    cpu.id = i;
    cpu.apicId = 2 * i;
    store<u32>(DOMAIN_AT + DomainOff.vcpus + ((<usize>i) << 2), <u32>changetype<usize>(cpu));
  }
  return VCPU_AT + <usize>id * Vcpu_SIZE;
}

export function cpuid(cpu: Vcpu, leaf: u32, sub: u32): void {
  store<u64>(changetype<usize>(cpu), leaf);
  store<u64>(changetype<usize>(cpu), sub, 8);
  identify(cpu);
}
