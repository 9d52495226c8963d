/**
 * Events sent to a guest that rewrites its event words, control block and vcpu_info from another thread at that moment.
 * What is written follows from the seed; when, does not. Events are sent until enough was written between them: that each
 * ends at all is a result.
 */
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { type Guest, machineWith } from "../testing/guests.js";

const SEED = 20261128;
const EVENTS = 60_000;
/** Writes that must have been made meanwhile, and how often the events are sent at most until then. */
const WRITES = 1000;
const MOST_TURNS = 1000;
const PORTS = 24;
const CONTROL_GFN = 0x30;
const ARRAY_GFN = 0x31;
const MASKED = 0x40000000;
const PENDING = 0x80000000;
/** PENDING, MASKED, LINKED, BUSY, and a link to a low port. */
const WORD_BITS = 0xf000003f;

/** Writes words of `areas` [address, bytes, mask] until the flag at `stop` is set, and counts them behind it. */
const SCRIBBLER = `
const { workerData: { memory, areas, seed, stop }, parentPort } = require("node:worker_threads");
const words = new Uint32Array(memory.buffer);
let x = seed;
const random = () => { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; return x >>> 0; };
parentPort.postMessage("writes");
while (Atomics.load(words, stop >>> 2) === 0) {
  const [at, bytes, mask] = areas[random() % areas.length];
  words[(at + 4 * (random() % (bytes / 4))) >>> 2] = random() & mask;
  Atomics.add(words, (stop >>> 2) + 1, 1);
}
parentPort.postMessage("done");
`;

/** Does `work` again and again until there were enough writes meanwhile; how many there were. */
async function scribble(g: Guest, areas: [number, number, number][], stop: number, work: () => void): Promise<number> {
  const words = new Uint32Array(g.core.memory.buffer);
  const writes = (): number => Atomics.load(words, (stop >>> 2) + 1);
  const workerData = { memory: g.core.memory, areas, seed: SEED, stop };
  const worker = new Worker(SCRIBBLER, { eval: true, workerData });
  const next = () => new Promise<unknown>((resolve) => worker.once("message", resolve));
  await next();
  const done = next();
  for (let turn = 0; turn === 0 || (turn < MOST_TURNS && writes() <= WRITES); turn++) work();
  Atomics.store(words, stop >>> 2, 1);
  await done;
  await worker.terminate();
  return writes();
}

/** Two guests; the first has ports that Domain0 sends to, unmasked. */
async function prepared(fifo: boolean): Promise<{ g: Guest; other: Guest; ports: number[]; guestPorts: number[] }> {
  const [core, a, b] = await machineWith([
    [2, 256],
    [1, 64],
  ]);
  const [g, other] = [a as Guest, b as Guest];
  if (fifo) {
    const control = (vcpu: number) =>
      g.evtchn(11, [
        [8, CONTROL_GFN],
        [4, 128 * vcpu],
        [4, vcpu],
        [8, 0],
      ]);
    expect([control(0), control(1)]).toEqual([0, 0]);
    expect(g.evtchn(12, [[8, ARRAY_GFN]])).toBe(0);
  }
  const guestPorts = Array.from({ length: PORTS }, () => core.call.evtchnAllocUnbound(g.domid, 0));
  const ports = guestPorts.map((port) => core.call.evtchnBind(g.domid, port));
  for (const [i, port] of guestPorts.entries()) {
    g.unmask(port);
    g.evtchn(8, [
      [4, port],
      [4, i & 1],
    ]);
  }
  other.put(0x3000, 8, 0x0123456789abcdefn);
  return { g, other, ports, guestPorts };
}

/** Two words of the guest's own, outside of what is scribbled on. */
const STOP_GPA = 0x32000;

describe.each([["FIFO"], ["2-level"]])("a guest that rewrites its %s words while events are sent", (kind) => {
  it("loses its own events at most", async () => {
    const fifo = kind === "FIFO";
    const { g, other, ports, guestPorts } = await prepared(fifo);
    g.put(STOP_GPA, 8, 0);
    const shared = g.sharedInfo();
    const infos: [number, number, number] = [shared, 128, 0xffffffff];
    const areas: [number, number, number][] = fifo
      ? [[g.at(ARRAY_GFN * 4096), 4 * (PORTS + 8), WORD_BITS], [g.at(CONTROL_GFN * 4096), 256, 0x1ffff], infos]
      : [[shared + 2048, 1024, 0xffffffff], infos];
    const around = new Uint8Array(g.core.memory.buffer, g.at(0x33000), 4096);
    around.fill(0x5a);
    const writes = await scribble(g, areas, g.at(STOP_GPA), () => {
      for (let i = 0; i < EVENTS; i++) {
        g.core.call.evtchnNotify(ports[i % PORTS]);
        if (i % 7 === 0) g.unmask(guestPorts[(i * 5) % PORTS] as number);
        if (i % 64 === 0) g.clearUpcall();
      }
    });
    expect(writes).toBeGreaterThan(WRITES);
    expect(other.get(0x3000, 8)).toBe(0x0123456789abcdefn);
    expect(around.every((byte) => byte === 0x5a)).toBe(true);
    // With its words in order again the guest gets events as before.
    const port = guestPorts[3] as number;
    const word = g.at(ARRAY_GFN * 4096) + 4 * port;
    if (fifo) {
      new Uint8Array(g.core.memory.buffer, g.at(ARRAY_GFN * 4096), 4096).fill(0);
      g.core.view().setUint32(word, MASKED, true);
      g.core.view().setUint32(g.at(CONTROL_GFN * 4096) + 128, 0, true);
    } else {
      new Uint8Array(g.core.memory.buffer, shared + 2048, 1024).fill(0);
    }
    g.clearUpcall(1);
    g.unmask(port);
    g.core.call.evtchnNotify(ports[3]);
    if (fifo) expect(g.core.u32(word) & PENDING).not.toBe(0);
    else expect(g.pending(port)).toBe(true);
    expect(g.upcallPending(1)).toBe(true);
    expect(g.core.call.domainDestroy(g.domid)).toBe(0);
  });
});
