/**
 * Destinations: which local APICs of a domain a message is for. [SDM] 3A 11.6.2 "Determining IPI Destination" and
 * 11.12.10 (x2APIC). Messages of the I/O APIC and of an xAPIC carry 8-bit destinations, for which 0xff is everyone.
 */
import { Domain, Vcpu } from "../../gen/layout";
import { domainVcpu } from "../../mem/domains";
import { platformOf } from "../platform";
import { acceptMessage, lapicOf, lapicPresent, lapicX2apic } from "./accept";
import { BROADCAST, Dfr, Message, Svr } from "./regs";

/** Logical id of a processor in x2APIC mode: cluster in the high half, one bit of sixteen in the low. */
@inline
export function x2apicLogicalId(apicId: u32): u32 {
  return ((apicId >> 4) << 16) | ((<u32>1) << (apicId & 15));
}

function matchesPhysical(cpu: Vcpu, destination: u32): bool {
  if (lapicX2apic(cpu)) return cpu.apicId == destination;
  return lapicOf(cpu).id >> 24 == destination;
}

function matchesLogical(cpu: Vcpu, destination: u32): bool {
  if (lapicX2apic(cpu)) {
    const own = x2apicLogicalId(cpu.apicId);
    return own >> 16 == destination >> 16 && (own & destination & 0xffff) != 0;
  }
  if (destination > 0xff) return false;
  const apic = lapicOf(cpu);
  const own = apic.ldr >> 24;
  if (apic.dfr >> Dfr.MODEL_SHIFT == Dfr.FLAT) return (own & destination) != 0;
  return own >> 4 == destination >> 4 && (own & destination & 15) != 0;
}

/** True when `destination` names `cpu`; BROADCAST names every processor, in either mode. */
export function messageMatches(cpu: Vcpu, destination: u32, logical: bool): bool {
  if (!lapicPresent(cpu)) return false;
  if (destination == BROADCAST) return true;
  return logical ? matchesLogical(cpu, destination) : matchesPhysical(cpu, destination);
}

/** Widens an 8-bit destination: 0xff becomes BROADCAST. */
@inline
export function wideDestination(destination: u32): u32 {
  return destination == 0xff ? BROADCAST : destination;
}

/** The candidate with the lowest task priority; among equals they take turns. 0 when nobody can take it. */
function arbitrate(dom: Domain, destination: u32, logical: bool): Vcpu {
  const platform = platformOf(dom);
  const count = dom.maxVcpus;
  const first = changetype<usize>(platform) == 0 ? 0 : platform.arbiter;
  let best = changetype<Vcpu>(0);
  let bestIndex: u32 = 0;
  let bestPriority: u32 = 0x100;
  for (let i: u32 = 0; i < count; i++) {
    const index = (first + i) % count;
    const cpu = domainVcpu(dom, index);
    if (changetype<usize>(cpu) == 0 || !messageMatches(cpu, destination, logical)) continue;
    const apic = lapicOf(cpu);
    if ((apic.svr & Svr.ENABLE) == 0 || apic.tpr >= bestPriority) continue;
    best = cpu;
    bestIndex = index;
    bestPriority = apic.tpr;
  }
  if (changetype<usize>(best) != 0 && changetype<usize>(platform) != 0) platform.arbiter = (bestIndex + 1) % count;
  return best;
}

/**
 * Sends a message to the processors of `dom` that `destination` names; `low` holds vector, delivery and destination
 * mode as in the ICR and the redirection entries. Returns how many took it.
 */
export function sendMessage(dom: Domain, destination: u32, low: u32, level: bool): u32 {
  const delivery = low & Message.DELIVERY_MASK;
  const logical = (low & Message.LOGICAL) != 0;
  if (delivery == Message.LOWEST_PRIORITY) {
    const cpu = arbitrate(dom, destination, logical);
    return changetype<usize>(cpu) != 0 && acceptMessage(cpu, delivery, low, level) ? 1 : 0;
  }
  let taken: u32 = 0;
  const count = dom.maxVcpus;
  for (let i: u32 = 0; i < count; i++) {
    const cpu = domainVcpu(dom, i);
    if (changetype<usize>(cpu) == 0 || !messageMatches(cpu, destination, logical)) continue;
    if (acceptMessage(cpu, delivery, low, level)) taken++;
  }
  return taken;
}
