/**
 * Credits: which vCPUs come first when there are more than pCPUs. Time is given out every PERIOD: what the pCPUs have is
 * shared among the domains that ran lately by their weights, no domain getting more than its vCPUs can use or its cap
 * allows. Running costs credit, measured in ns. A domain's vCPUs have one purse: what one does not use another may, so
 * that the one busy vCPU of a guest does not come after those whose ticks are all that they run. Who has some left is
 * UNDER, the others OVER and come after; a vCPU that was woken while it was UNDER is BOOST for a while. A domain with a
 * cap that has used up that too is parked until it has credit again. [XEN] docs: credit scheduler
 */
import { Domain, EventBit, Machine, MachineOff, Priority, Vcpu, VcpuOff, VcpuRunState } from "../gen/layout";
import { domainVcpu } from "../mem/domains";
import { pcpuOf } from "../mem/machine";
import { signal } from "../mem/signal";
import { lockSched, sortQueues, unlockSched } from "./queue";

/** How often credits are given out, ns. */
export const PERIOD: i64 = 30_000_000;
/** What of its timeslice a vCPU may use with a boost, ns. */
export const BOOST_NS: i64 = 1_000_000;
/** Rounds in which what a domain cannot use goes to the others. */
const ROUNDS: i32 = 8;

/** Charges a vCPU for time on a pCPU. Its pCPU does that while another may give out credits. */
export function charge(cpu: Vcpu, ns: u64): void {
  atomic.sub<i64>(changetype<usize>(cpu), <i64>ns, VcpuOff.credit);
  cpu.sliceLeft -= <i64>ns;
}

/** Gives credits out when a period is over; true when it was. */
export function accountIfDue(m: Machine, now: u64): bool {
  if (now < atomic.load<u64>(changetype<usize>(m), MachineOff.accountAt)) return false;
  lockSched();
  const due = now >= m.accountAt;
  if (due) account(m, now);
  unlockSched(m);
  return due;
}

/** Gives credits out. With schedLock held. */
function account(m: Machine, now: u64): void {
  atomic.store<u64>(changetype<usize>(m), now + <u64>PERIOD, MachineOff.accountAt);
  share(m);
  let d = changetype<Domain>(<usize>m.domainList);
  for (; changetype<usize>(d) != 0; d = changetype<Domain>(<usize>d.next)) if (d.sharers != 0) giveOut(d);
  sortQueues(m);
  for (let i: u32 = 0; i < m.pcpus; i++) {
    const p = pcpuOf(i);
    if (p.current != 0) p.priority = changetype<Vcpu>(<usize>p.current).priority;
  }
}

/** Counts who shares and sets Domain.grant of each domain. */
function share(m: Machine): void {
  let left = <i64>m.pcpus * PERIOD;
  let weights: i64 = 0;
  const first = changetype<Domain>(<usize>m.domainList);
  for (let d = first; changetype<usize>(d) != 0; d = changetype<Domain>(<usize>d.next)) {
    d.sharers = countSharers(d);
    d.grant = -1;
    if (d.sharers != 0) weights += <i64>d.weight;
  }
  // Who cannot use its share gets what it can; the rest is shared by the others.
  let again = true;
  for (let round = 0; again && round < ROUNDS; round++) {
    again = false;
    for (let d = first; changetype<usize>(d) != 0 && weights > 0; d = changetype<Domain>(<usize>d.next)) {
      const most = usable(d);
      if (d.sharers == 0 || d.grant >= 0 || (left * <i64>d.weight) / weights < most) continue;
      d.grant = most;
      left -= most;
      weights -= <i64>d.weight;
      again = true;
    }
  }
  for (let d = first; changetype<usize>(d) != 0; d = changetype<Domain>(<usize>d.next)) {
    if (d.sharers != 0 && d.grant < 0) d.grant = weights > 0 ? max<i64>((left * <i64>d.weight) / weights, 0) : 0;
  }
}

/** What a domain can use in a period. */
function usable(d: Domain): i64 {
  const all = <i64>d.sharers * PERIOD;
  return d.cap == 0 ? all : min<i64>(all, capPerPeriod(d));
}

@inline
function capPerPeriod(d: Domain): i64 {
  return (<i64>d.cap * PERIOD) / 100;
}

function countSharers(d: Domain): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < d.maxVcpus; i++) {
    const cpu = domainVcpu(d, i);
    if (changetype<usize>(cpu) != 0 && cpu.sharing) n++;
  }
  return n;
}

/** Gives each vCPU of a domain its part of what the domain has, and decides what it is from now on. */
function giveOut(d: Domain): void {
  const part = (d.grant + collect(d)) / <i64>d.sharers;
  const debt = d.cap == 0 ? i64.MAX_VALUE : capPerPeriod(d) / <i64>d.sharers;
  for (let i: u32 = 0; i < d.maxVcpus; i++) {
    const cpu = domainVcpu(d, i);
    if (changetype<usize>(cpu) == 0 || !cpu.sharing) continue;
    const credit = atomic.add<i64>(changetype<usize>(cpu), part, VcpuOff.credit) + part;
    if (credit < 0) {
      cpu.priority = Priority.OVER;
      if (credit < -debt) park(cpu);
      else if (d.cap == 0) cpu.parked = 0;
      // No debt without end: a vCPU that had the pCPUs for itself is not to pay for it for long.
      if (d.cap == 0 && credit < -PERIOD) cpu.credit = -PERIOD;
      continue;
    }
    cpu.parked = 0;
    if (cpu.priority == Priority.OVER) cpu.priority = Priority.UNDER;
    if (credit > PERIOD) {
      // It does not use what it gets.
      cpu.sharing = 0;
      cpu.credit = PERIOD / 2;
    }
  }
}

/** Takes what the vCPUs of a domain have or owe: their sum. */
function collect(d: Domain): i64 {
  let sum: i64 = 0;
  for (let i: u32 = 0; i < d.maxVcpus; i++) {
    const cpu = domainVcpu(d, i);
    if (changetype<usize>(cpu) != 0 && cpu.sharing) sum += atomic.xchg<i64>(changetype<usize>(cpu), 0, VcpuOff.credit);
  }
  return sum;
}

/** Lets the vCPU run no more until it has credit again. */
function park(cpu: Vcpu): void {
  cpu.parked = 1;
  if (cpu.runState == VcpuRunState.RUNNING) signal(cpu, EventBit.STOP);
}

/** A vCPU that waited is woken. */
@inline
export function boost(cpu: Vcpu): void {
  if (cpu.priority == Priority.UNDER) cpu.priority = Priority.BOOST;
}

/** Ends a boost. */
@inline
export function endBoost(cpu: Vcpu): void {
  if (cpu.priority == Priority.BOOST) cpu.priority = Priority.UNDER;
}
