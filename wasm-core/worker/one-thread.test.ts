import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { CoreExports, RegionDoors } from "../abi/core-api.js";
import { MACHINE_BASE, Machine, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { PcpuExit } from "../abi/structs/sched.js";
import { instantiateCore } from "./load.js";
import type { WorkerReport } from "./messages.js";
import { OneThread } from "./one-thread.js";

const IDLE = Number(PcpuExit.values.IDLE);
const AGAIN = Number(PcpuExit.values.AGAIN);
const MS = 1e6;

/** A core whose turns a test writes down, and an event loop that the test turns by hand. */
class Rig {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
  readonly reports: WorkerReport[] = [];
  readonly waiting: (() => void)[] = [];
  runs = 0;
  rings = 0;
  idleMs = Number.POSITIVE_INFINITY;
  /** What the next turns of the core do; without one it is idle. */
  readonly script: (() => number)[] = [];
  /** What Domain0 does when its bell has rung. */
  onRing = (): void => {};
  abandon = (): void => {};
  readonly thread: OneThread;

  constructor() {
    const core = {
      pcpuRun: () => {
        this.runs++;
        return this.script.shift()?.() ?? IDLE;
      },
      pcpuIdleNs: () => this.idleMs * MS,
      pcpuAbandon: () => this.abandon(),
    } as unknown as CoreExports & RegionDoors;
    this.thread = new OneThread({
      core,
      memory: this.memory,
      jit: 0,
      soon: (work) => void this.waiting.push(work),
      onRing: () => {
        this.rings++;
        this.onRing();
      },
      report: (message) => void this.reports.push(message),
    });
  }

  ring(address: number): void {
    new Int32Array(this.memory.buffer)[address >>> 2]!++;
  }

  ringDomain0 = (): void => this.ring(MACHINE_BASE + Machine.off.doorbell);
  ringPcpu = (): void => this.ring(PCPU_BASE + Pcpu.off.doorbell);

  /** Runs what waits, and what that makes wait; how many pieces it was. */
  turn(most = 100): number {
    let count = 0;
    for (; count < most && this.waiting.length > 0; count++) this.waiting.shift()!();
    return count;
  }
}

let rig: Rig;

beforeEach(() => {
  vi.useFakeTimers();
  rig = new Rig();
});
afterEach(() => {
  rig.thread.stop();
  vi.useRealTimers();
});

it("begins with a turn, calls Domain0 once, and then does nothing until something happens", () => {
  expect(rig.turn()).toBe(1);
  expect([rig.runs, rig.rings]).toEqual([1, 1]);
  rig.thread.look();
  expect(rig.waiting).toEqual([]);
});

it("runs on, one turn of the event loop for each of the core, while there is something to run", () => {
  rig.script.push(
    () => AGAIN,
    () => AGAIN,
    () => IDLE,
  );
  rig.turn(1);
  expect([rig.runs, rig.waiting.length]).toEqual([1, 1]);
  rig.turn();
  expect(rig.runs).toBe(3);
});

it("wakes for the next timer, and no earlier", () => {
  rig.idleMs = 30.5;
  rig.turn();
  vi.advanceTimersByTime(30);
  expect(rig.waiting).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(rig.turn()).toBe(1);
  expect(rig.runs).toBe(2);
});

it("wakes the pCPU that Domain0 has rung for, and forgets the timer", () => {
  rig.idleMs = 20;
  rig.turn();
  rig.ringPcpu();
  rig.thread.look();
  rig.thread.look();
  expect(rig.waiting).toHaveLength(1);
  rig.idleMs = Number.POSITIVE_INFINITY;
  rig.turn();
  vi.advanceTimersByTime(500);
  expect(rig.runs).toBe(2);
});

it("calls Domain0 when a guest has rung, and again for what rings while it is at work", () => {
  rig.turn();
  rig.script.push(() => {
    rig.ringDomain0();
    return IDLE;
  });
  rig.onRing = () => {
    rig.onRing = () => {};
    rig.ringDomain0();
  };
  rig.ringPcpu();
  rig.thread.look();
  rig.turn();
  expect(rig.rings).toBe(3);
});

it("follows the memory when it grows", () => {
  rig.script.push(() => {
    rig.memory.grow(1);
    rig.ringDomain0();
    return IDLE;
  });
  rig.turn();
  expect(rig.rings).toBe(1);
  rig.ringDomain0();
  rig.thread.look();
  rig.turn();
  expect(rig.rings).toBe(2);
});

it("reports a trap and goes on; it ends when what it did about the trap traps as well", () => {
  const trap = () => {
    throw new Error("unreachable");
  };
  rig.script.push(trap);
  rig.turn();
  expect(rig.reports).toMatchObject([{ kind: "fault", pcpu: 0, message: expect.stringContaining("unreachable") }]);
  expect(rig.runs).toBe(2);
  rig.abandon = trap;
  rig.script.push(trap);
  rig.ringPcpu();
  rig.thread.look();
  rig.turn();
  expect([rig.reports.length, rig.runs]).toEqual([2, 3]);
  rig.ringPcpu();
  rig.thread.look();
  expect(rig.waiting).toEqual([]);
});

it("does nothing more once it is stopped", () => {
  rig.idleMs = 1;
  rig.turn();
  rig.thread.stop();
  rig.ringPcpu();
  rig.thread.look();
  vi.advanceTimersByTime(100);
  expect(rig.waiting).toEqual([]);
});

it("says so when the core would wait for a lock, instead of waiting for ever", async () => {
  /** Type () -> (), import env.hostWait (i32, i32) -> (), and a function "go" that calls it with 64 and 9. */
  const module = await WebAssembly.compile(
    Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...[1, 9, 2, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 0],
      ...[2, 16, 1, 3, 0x65, 0x6e, 0x76, 8, 0x68, 0x6f, 0x73, 0x74, 0x57, 0x61, 0x69, 0x74, 0, 0],
      ...[3, 2, 1, 1],
      ...[7, 6, 1, 2, 0x67, 0x6f, 0, 1],
      ...[10, 11, 1, 9, 0, 0x41, 0xc0, 0, 0x41, 9, 0x10, 0, 0x0b],
    ]),
  );
  const hooks = { origin: 0, lockOwner: 1, random: () => 0, trace: () => {} };
  const { exports } = instantiateCore(module, rig.memory, hooks);
  expect(exports as unknown as { go(): void }).toHaveProperty("go");
  expect(() => (exports as unknown as { go(): void }).go()).toThrow(
    "the lock at 0x40 is held, and no other thread is there to release it",
  );
});

it("lets the pCPU of a deterministic machine go on when Domain0 has done all that it was rung for, and not before", () => {
  const words = new Int32Array(rig.memory.buffer);
  const at = (field: "deterministic" | "presented" | "served") => (MACHINE_BASE + Machine.off[field]) >>> 2;
  words[at("deterministic")] = 1;
  rig.turn();
  rig.script.push(() => {
    rig.ringDomain0();
    return AGAIN;
  });
  rig.ringPcpu();
  rig.thread.look();
  rig.turn(5);
  // Domain0 was called and has more to do: the event loop goes round, the pCPU waits.
  expect([rig.rings, rig.runs, words[at("presented")], rig.waiting.length]).toEqual([2, 2, 1, 1]);
  words[at("served")] = words[at("presented")]!;
  rig.turn();
  expect([rig.runs, rig.waiting.length]).toEqual([3, 0]);
});
