/**
 * One counter of the 8254 as a function of the clock: count, OUT and the next rising edge of OUT, in all six modes.
 * Intel 8254 datasheet, "Mode Definitions". Nothing ticks: `start` is the clock at which the element held `count`.
 */
import { PitChannel } from "../../gen/layout";
import { NEVER } from "../../util/host";
import { Control, Mode } from "./regs";

/** The mode, 6 and 7 folded into 2 and 3. */
export function modeOf(ch: PitChannel): u32 {
  const mode = ((<u32>ch.control) >> Control.MODE_SHIFT) & Control.MODE_MASK;
  return mode > 5 ? mode - 4 : mode;
}

/** Modes that start at a rising edge of the gate and then ignore it. */
@inline
function isTriggered(mode: u32): bool {
  return mode == Mode.ONE_SHOT || mode == Mode.HARDWARE_STROBE;
}

@inline
function isRepeating(mode: u32): bool {
  return mode == Mode.RATE || mode == Mode.SQUARE;
}

@inline
function isBcd(ch: PitChannel): bool {
  return (ch.control & Control.BCD) != 0;
}

/** Clocks counted since `count` was loaded. */
function elapsed(ch: PitChannel, clock: u64): u64 {
  if (ch.gate == 0 && !isTriggered(modeOf(ch))) return ch.held;
  return clock > ch.start ? clock - ch.start : 0;
}

/** Clocks for which a square wave of divisor n is high. */
@inline
function highClocks(n: u64): u64 {
  return (n + 1) >> 1;
}

/** Level of OUT. */
export function outAt(ch: PitChannel, clock: u64): bool {
  const mode = modeOf(ch);
  if (ch.loaded == 0) return mode != Mode.TERMINAL_COUNT;
  const n = <u64>ch.count;
  const e = elapsed(ch, clock);
  switch (mode) {
    case Mode.TERMINAL_COUNT:
      return e >= n;
    case Mode.ONE_SHOT:
      return e >= n || clock < ch.start;
    case Mode.RATE:
      return ch.gate == 0 || e % n != n - 1;
    case Mode.SQUARE:
      return ch.gate == 0 || e % n < highClocks(n);
    default:
      return e != n;
  }
}

/** First rising edge of OUT after `clock`, NEVER when nothing is coming. */
export function nextRise(ch: PitChannel, clock: u64): u64 {
  const mode = modeOf(ch);
  if (ch.loaded == 0 || (ch.gate == 0 && !isTriggered(mode))) return NEVER;
  const n = <u64>ch.count;
  let rise = ch.start + n;
  if (isRepeating(mode)) {
    if (n < 2) return NEVER;
    return clock < ch.start ? rise : ch.start + ((clock - ch.start) / n + 1) * n;
  }
  if (mode == Mode.SOFTWARE_STROBE || mode == Mode.HARDWARE_STROBE) rise++;
  return rise > clock ? rise : NEVER;
}

/** What the counting element holds, in the form it is read. */
export function countAt(ch: PitChannel, clock: u64): u32 {
  const wrap: u64 = isBcd(ch) ? 10000 : 65536;
  const n = <u64>ch.count;
  const mode = modeOf(ch);
  let value = n;
  if (ch.loaded != 0 && n != 0) {
    const e = elapsed(ch, clock);
    if (mode == Mode.SQUARE) value = squareCount(n, e % n);
    else if (mode == Mode.RATE) value = n - (e % n);
    else value = n + wrap - (e % wrap);
  }
  const count = <u32>(value % wrap);
  return isBcd(ch) ? toBcd(count) : count;
}

/** A square wave counts by two, from an even number, once in each half. */
function squareCount(n: u64, phase: u64): u64 {
  const high = highClocks(n);
  const inHalf = phase < high ? phase : phase - high;
  return (n & ~(<u64>1)) - 2 * inHalf;
}

function toBcd(value: u32): u32 {
  return (value % 10) | (((value / 10) % 10) << 4) | (((value / 100) % 10) << 8) | (((value / 1000) % 10) << 12);
}

function fromBcd(value: u32): u32 {
  return (value & 15) + ((value >> 4) & 15) * 10 + ((value >> 8) & 15) * 100 + (value >> 12) * 1000;
}

/** True while the count written last is not in the counting element. */
export function isNullCount(ch: PitChannel, clock: u64): bool {
  return ch.loaded == 0 || ch.next != 0 || clock < ch.start;
}

/** A control word: OUT takes its initial level and the counter waits for a count. */
export function setControl(ch: PitChannel, word: u32): void {
  ch.control = <u8>(word & 0x3f);
  ch.loaded = 0;
  ch.next = 0;
  ch.nextAt = NEVER;
  ch.held = 0;
  ch.writeHigh = 0;
  ch.readHigh = 0;
  ch.countLatched = 0;
  ch.statusLatched = 0;
}

function begin(ch: PitChannel, n: u32, clock: u64): void {
  ch.count = n;
  ch.start = clock + 1;
  ch.held = 0;
  ch.loaded = 1;
  ch.next = 0;
  ch.nextAt = NEVER;
}

/** A complete count was written: loaded at the next clock, the end of the (half) period, or the next trigger. */
export function setCount(ch: PitChannel, written: u32, clock: u64): void {
  let n = isBcd(ch) ? fromBcd(written) : written;
  if (written == 0) n = isBcd(ch) ? 10000 : 65536;
  const mode = modeOf(ch);
  if (isTriggered(mode)) {
    ch.next = n;
    return;
  }
  if (!isRepeating(mode) || ch.loaded == 0 || clock < ch.start) {
    begin(ch, n, clock);
    return;
  }
  ch.next = n;
  if (ch.gate != 0) scheduleReload(ch, mode, clock);
}

/** Sets nextAt and nextStart to the end of the period, or of the half of a square wave, that runs at `clock`. */
function scheduleReload(ch: PitChannel, mode: u32, clock: u64): void {
  const n = <u64>ch.count;
  const e = elapsed(ch, clock);
  const period = ch.start + (e - (e % n));
  const high = highClocks(n);
  if (mode == Mode.SQUARE && e % n < high) {
    ch.nextAt = period + high;
    ch.nextStart = ch.nextAt - highClocks(ch.next);
  } else {
    ch.nextAt = period + n;
    ch.nextStart = ch.nextAt;
  }
}

/** Loads a pending count whose clock has come. */
export function reload(ch: PitChannel): void {
  ch.count = ch.next;
  ch.start = ch.nextStart;
  ch.next = 0;
  ch.nextAt = NEVER;
}

/** Drives the gate; a rising edge triggers, restarts or resumes as the mode has it. */
export function setGate(ch: PitChannel, high: bool, clock: u64): void {
  const mode = modeOf(ch);
  if ((ch.gate != 0) == high) return;
  if (!high) {
    ch.held = elapsed(ch, clock);
    ch.nextAt = NEVER;
    ch.gate = 0;
    return;
  }
  ch.gate = 1;
  const n = ch.next != 0 ? ch.next : ch.count;
  if (isTriggered(mode)) {
    if (ch.loaded != 0 || ch.next != 0) begin(ch, n, clock);
  } else if (ch.loaded != 0) {
    if (isRepeating(mode)) begin(ch, n, clock);
    else ch.start = clock - ch.held;
  }
}
