/**
 * The machine's clock and its source of randomness: the only ways to either. In deterministic mode machine time is the
 * count of instructions retired (there is one pCPU then) and random numbers come from a seeded generator, so that the
 * same inputs give the same run.
 */
import { Machine, MachineOff, MACHINE_BASE, Pcpu, PCPU_BASE, Vcpu } from "../gen/layout";

@external("env", "hostNow") declare function hostNow(): f64;

@external("env", "hostWallClock") declare function hostWallClock(): f64;

@external("env", "hostRandom") declare function hostRandom(): u32;

@external("env", "hostTrace") declare function hostTrace(code: u32, a: u32, b: u32): void;

/** Deterministic mode: machine time per instruction, in ns. */
export const NS_PER_INSTRUCTION: u64 = 2;
/** Deterministic mode: wall clock at machine time 0, ns since 1970 (2024-01-01). */
const DETERMINISTIC_EPOCH: u64 = 1_704_067_200_000_000_000;
export const NEVER: u64 = u64.MAX_VALUE;

@inline
export function machine(): Machine {
  return changetype<Machine>(MACHINE_BASE);
}

/** Host time, ns, on the host's own origin: for measuring the host, never for guests. */
export function hostTime(): u64 {
  return <u64>hostNow();
}

/** Nanoseconds since the machine started. */
export function machineTime(): u64 {
  const m = machine();
  if (m.deterministic) return m.virtualNs + sliceInstructions() * NS_PER_INSTRUCTION;
  const now = <u64>hostNow();
  return now > m.startNs ? now - m.startNs : 0;
}

/** Instructions that the vCPU on pCPU 0 has retired in its present slice. */
export function sliceInstructions(): u64 {
  const p = changetype<Pcpu>(PCPU_BASE);
  if (p.current == 0) return 0;
  const cpu = changetype<Vcpu>(<usize>p.current);
  return cpu.icount + cpu.repeats - p.sliceWork;
}

/** Wall clock at machine time 0, ns since 1970. */
export function wallClockBase(): u64 {
  if (machine().deterministic) return DETERMINISTIC_EPOCH;
  return <u64>hostWallClock() - machineTime();
}

/** 32 random bits. */
export function machineRandom(): u32 {
  const m = machine();
  if (!m.deterministic) return hostRandom();
  const step: u64 = 0x9e3779b97f4a7c15;
  let z = atomic.add<u64>(changetype<usize>(m) + MachineOff.rng, step) + step;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return <u32>(z ^ (z >> 31));
}

/** Tells the host's log about something rare: a TraceCode and two numbers. */
export function trace(code: u32, a: u32, b: u32): void {
  hostTrace(code, a, b);
}
