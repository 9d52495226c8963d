/**
 * The 8254 on its ports: control words, counts, latches, read-back, port 0x61 and interrupt 0. Intel 8254 datasheet.
 * Nothing runs between accesses: each one, and the scheduler at pitDeadline, brings the timer up to machine time.
 * Callers hold the platform lock.
 */
import { Domain, Pit, PitChannel, PitChannel_SIZE, PitOff, PlatformLine, PlatformStateOff } from "../../gen/layout";
import { machineTime, NEVER } from "../../util/host";
import { ioapicIsMasked, ioapicLine } from "../ioapic";
import { platformOf } from "../platform";
import { clockAt, timeOf } from "./clock";
import { countAt, isNullCount, nextRise, outAt, reload, setControl, setCount, setGate } from "./counter";
import { Control, PitReg, PitStatus, PortB, ReadBack, REFRESH_CLOCKS } from "./regs";

/** Square wave, both bytes: what firmware leaves behind. */
const RESET_CONTROL: u32 = 0x36;

@inline
export function pitOf(dom: Domain): Pit {
  return changetype<Pit>(changetype<usize>(platformOf(dom)) + PlatformStateOff.pit);
}

@inline
function channelAt(pit: Pit, index: u32): PitChannel {
  return changetype<PitChannel>(changetype<usize>(pit) + PitOff.channels + <usize>index * PitChannel_SIZE);
}

/** Power-up: no counter runs; the gates of counters 0 and 1 are wired high. */
export function pitReset(dom: Domain): void {
  const pit = pitOf(dom);
  for (let i: u32 = 0; i < 3; i++) {
    const ch = channelAt(pit, i);
    setControl(ch, RESET_CONTROL);
    ch.count = 0x10000;
    ch.start = 0;
    ch.gate = i < 2 ? 1 : 0;
  }
  pit.portB = 0;
  pit.edge = clockAt(machineTime());
  ioapicLine(dom, PlatformLine.PIT, true);
}

/** Loads pending counts of counters 1 and 2, which have no interrupt to account for. */
function settle(ch: PitChannel, clock: u64): void {
  if (ch.nextAt <= clock) reload(ch);
}

/** Delivers the edges of OUT0 up to `clock`; several that were missed are one, as they are in IRR. */
function deliverEdges(dom: Domain, pit: Pit, clock: u64): void {
  const ch = channelAt(pit, 0);
  let rose = false;
  if (ch.nextAt <= clock) {
    rose = nextRise(ch, pit.edge) <= ch.nextAt;
    pit.edge = ch.nextAt;
    reload(ch);
  }
  if (nextRise(ch, pit.edge) <= clock) rose = true;
  pit.edge = clock;
  if (rose) {
    ioapicLine(dom, PlatformLine.PIT, false);
    ioapicLine(dom, PlatformLine.PIT, true);
  }
  ioapicLine(dom, PlatformLine.PIT, outAt(ch, clock));
}

/** Brings the timer up to machine time; returns the clock. */
export function pitSync(dom: Domain): u64 {
  const pit = pitOf(dom);
  const clock = clockAt(machineTime());
  deliverEdges(dom, pit, clock);
  settle(channelAt(pit, 1), clock);
  settle(channelAt(pit, 2), clock);
  return clock;
}

/** Machine time of the next edge that interrupts; NEVER while nobody would see one. */
export function pitDeadline(dom: Domain): u64 {
  if (ioapicIsMasked(dom, PlatformLine.PIT)) return NEVER;
  const pit = pitOf(dom);
  const ch = channelAt(pit, 0);
  return timeOf(min(nextRise(ch, pit.edge), ch.nextAt));
}

function latchCount(ch: PitChannel, clock: u64): void {
  if (ch.countLatched != 0) return;
  ch.countLatch = <u16>countAt(ch, clock);
  ch.countLatched = (ch.control & Control.ACCESS_MASK) == Control.ACCESS_BOTH ? 2 : 1;
  ch.readHigh = 0;
}

function latchStatus(ch: PitChannel, clock: u64): void {
  if (ch.statusLatched != 0) return;
  const out = outAt(ch, clock) ? PitStatus.OUT : 0;
  const nullCount = isNullCount(ch, clock) ? PitStatus.NULL_COUNT : 0;
  ch.statusLatch = <u8>(out | nullCount | (ch.control & PitStatus.CONTROL_MASK));
  ch.statusLatched = 1;
}

function writeControl(pit: Pit, word: u32, clock: u64): void {
  const counter = word >> Control.COUNTER_SHIFT;
  if (counter == Control.READ_BACK) {
    for (let i: u32 = 0; i < 3; i++) {
      if (((word >> (ReadBack.COUNTER_SHIFT + i)) & 1) == 0) continue;
      if ((word & ReadBack.NO_COUNT) == 0) latchCount(channelAt(pit, i), clock);
      if ((word & ReadBack.NO_STATUS) == 0) latchStatus(channelAt(pit, i), clock);
    }
    return;
  }
  const ch = channelAt(pit, counter);
  if ((word & Control.ACCESS_MASK) == Control.ACCESS_LATCH) latchCount(ch, clock);
  else setControl(ch, word);
}

function writeCounter(ch: PitChannel, value: u32, clock: u64): void {
  switch (ch.control & Control.ACCESS_MASK) {
    case Control.ACCESS_LOW:
      setCount(ch, value, clock);
      break;
    case Control.ACCESS_HIGH:
      setCount(ch, value << 8, clock);
      break;
    default:
      if (ch.writeHigh != 0) {
        ch.writeHigh = 0;
        setCount(ch, (<u32>ch.writeLatch) | (value << 8), clock);
        return;
      }
      ch.writeHigh = 1;
      ch.writeLatch = <u8>value;
      // In mode 0 the first byte stops the count and drops OUT.
      if ((ch.control & (Control.MODE_MASK << Control.MODE_SHIFT)) == 0) ch.loaded = 0;
  }
}

function readCounter(ch: PitChannel, clock: u64): u32 {
  if (ch.statusLatched != 0) {
    ch.statusLatched = 0;
    return ch.statusLatch;
  }
  const latched = ch.countLatched != 0;
  const value = latched ? <u32>ch.countLatch : countAt(ch, clock);
  if (latched) ch.countLatched--;
  switch (ch.control & Control.ACCESS_MASK) {
    case Control.ACCESS_LOW:
      return value & 0xff;
    case Control.ACCESS_HIGH:
      return value >> 8;
    default: {
      const high = ch.readHigh != 0;
      ch.readHigh = high ? 0 : 1;
      return high ? value >> 8 : value & 0xff;
    }
  }
}

/** Reads a byte of ports 0x40-0x43. */
export function pitRead(dom: Domain, register: u32): u32 {
  const clock = pitSync(dom);
  return register > PitReg.COUNTER2 ? 0xff : readCounter(channelAt(pitOf(dom), register), clock);
}

/** Writes a byte of ports 0x40-0x43. */
export function pitWrite(dom: Domain, register: u32, value: u32): void {
  const clock = pitSync(dom);
  const pit = pitOf(dom);
  if (register == PitReg.CONTROL) writeControl(pit, value, clock);
  else writeCounter(channelAt(pit, register), value, clock);
  ioapicLine(dom, PlatformLine.PIT, outAt(channelAt(pit, 0), clock));
}

/** Reads port 0x61. */
export function portBRead(dom: Domain): u32 {
  const clock = pitSync(dom);
  const pit = pitOf(dom);
  const refresh: u32 = ((clock / REFRESH_CLOCKS) & 1) != 0 ? PortB.REFRESH : 0;
  const out: u32 = outAt(channelAt(pit, 2), clock) ? PortB.OUT2 : 0;
  return pit.portB | refresh | out;
}

/** Writes port 0x61. */
export function portBWrite(dom: Domain, value: u32): void {
  const clock = pitSync(dom);
  const pit = pitOf(dom);
  pit.portB = <u8>(value & PortB.WRITABLE_MASK);
  setGate(channelAt(pit, 2), (value & PortB.GATE2) != 0, clock);
}
