/**
 * Time as a guest sees it: the pvclock record of each vCPU and the wall clock in shared_info. The guest's TSC runs at
 * 1 GHz and is machine time plus an offset, so a record is written once and whenever that offset changes. [XEN] xen.h
 */
import { Domain, SharedInfo32Off, SharedInfoOff, Vcpu, VcpuInfoOff, VcpuTime, VcpuTime_SIZE } from "../gen/layout";
import { copyToGuest } from "../mmu/access";
import { wallClockBase } from "../util/host";
import { xenOf } from "./evtchn/upcall";

/** Fraction and shift that turn 1 GHz ticks into ns: (ticks << 1) * 2^31 / 2^32. */
const MUL_1GHZ: u32 = 0x80000000;
const SHIFT_1GHZ: u8 = 1;
const TSC_STABLE: u8 = 1;

function fill(t: VcpuTime, cpu: Vcpu): void {
  t.tscTimestamp = cpu.tscOffset;
  t.systemTime = 0;
  t.mul = MUL_1GHZ;
  t.shift = SHIFT_1GHZ;
  t.flags = TSC_STABLE;
}

/**
 * Writes the vCPU's time record into vcpu_info and the registered time area, the latter in the address space of `by`: the
 * vCPU on whose pCPU this is, whoever the record is for.
 */
export function updateTime(cpu: Vcpu, by: Vcpu): void {
  const x = xenOf(cpu);
  const t = changetype<VcpuTime>(<usize>x.info + VcpuInfoOff.time);
  const version = t.version | 1;
  atomic.store<u32>(changetype<usize>(t), version);
  fill(t, cpu);
  atomic.store<u32>(changetype<usize>(t), version + 1);
  // An address that does not take it is the guest's mistake.
  if (x.timeSet) copyToGuest(by, x.timeGva, changetype<usize>(t), <u32>VcpuTime_SIZE);
}

/** Writes the wall clock at system time 0 into shared_info: version, seconds, nanoseconds; high seconds apart. */
export function updateWallClock(dom: Domain): void {
  const narrow = dom.narrowInfo != 0;
  const at = <usize>dom.sharedInfo + (narrow ? SharedInfo32Off.wcVersion : SharedInfoOff.wcVersion);
  const high = <usize>dom.sharedInfo + (narrow ? SharedInfo32Off.wcSecHi : SharedInfoOff.wcSecHi);
  const ns = wallClockBase();
  const seconds = ns / 1_000_000_000;
  const version = load<u32>(at) | 1;
  atomic.store<u32>(at, version);
  store<u32>(at, <u32>seconds, 4);
  store<u32>(at, <u32>(ns % 1_000_000_000), 8);
  store<u32>(high, <u32>(seconds >> 32));
  atomic.store<u32>(at, version + 1);
}

/**
 * Takes the layout of shared_info and vcpu_info from the mode of the guest's code, where a guest's Xen drivers begin: at
 * the hypercall page and at HVM_PARAM_CALLBACK_IRQ. What the page held is not converted, as in Xen; the clock is.
 */
export function latchInfoLayout(dom: Domain, narrow: bool): void {
  dom.narrowInfo = narrow ? 1 : 0;
  updateWallClock(dom);
}
