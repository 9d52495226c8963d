/**
 * Random and nearly right block requests, grants and rings of a live domain, in the memory of the real core, with the real
 * back end behind them: Domain0 never throws, nobody else's memory changes, nothing stays mapped, and whoever connects
 * anew and keeps to the protocol is served.
 */
import { expect, it } from "vitest";
import { BlkOp, BlkRequest, BlkStatus } from "../../control-plane/backends/blk/codec.js";
import { MemoryDisk } from "../../control-plane/storage/index.js";
import type { Random } from "../support/random.js";
import { BlockGuest, type BlockKernel, blockKernel, DATA_GFN, DATA_PAGES, DATA_REF } from "./block-guest.js";
import { Canary } from "./canary.js";
import { OneThreadMachine } from "./one-thread.js";
import { fuzz, randomOf } from "./seeds.js";

const FRAMES = 4096;
const CANARY = 500;
const SEEDS = 8;
const ROUNDS = 60;
const SECTORS = 4096;
const OPERATIONS = [BlkOp.READ, BlkOp.WRITE, BlkOp.WRITE_BARRIER, BlkOp.FLUSH, BlkOp.DISCARD];
/** Of the shared ring's page, in bytes: the producers and event indices. */
const INDICES = [0, 4, 8, 12];
const RING_HEADER = 64;

function request(random: Random): BlkRequest {
  const made = new BlkRequest();
  made.operation = random.once(12) ? random.below(256) : random.pick(OPERATIONS);
  made.idLow = random.u32();
  made.sector = random.once(15) ? random.u32() * random.below(2 ** 20) : random.below(SECTORS + 64);
  made.segments = random.once(15) ? random.below(256) : 1 + random.below(11);
  made.discardSectors = random.below(SECTORS);
  made.isIndirect = random.once(8);
  for (let i = 0; i < Math.min(made.segments, made.refs.length); i++) {
    made.refs[i] = random.once(20) ? random.u32() : DATA_REF + random.below(DATA_PAGES);
    const [first, last] = [random.below(8), random.below(8)];
    made.first[i] = random.once(20) ? random.below(256) : Math.min(first, last);
    made.last[i] = random.once(20) ? random.below(256) : Math.max(first, last);
  }
  made.indirectRefs.fill(DATA_REF + random.below(DATA_PAGES));
  return made;
}

/** What else a guest may do to what it shares. */
function spoil(guest: BlockGuest, random: Random): void {
  const view = new DataView(guest.ringBytes.buffer, guest.ringBytes.byteOffset, guest.ringBytes.length);
  const deeds = [
    () => view.setUint32(random.pick(INDICES), random.u32(), true),
    () => view.setUint8(RING_HEADER + random.below(guest.ringBytes.length - RING_HEADER), random.below(256)),
    () => guest.grant(DATA_REF + random.below(DATA_PAGES), random.u32(), random.below(2 ** 16)),
    () => guest.write(random.pick(["state", "ring-ref", "event-channel", "protocol"]), String(random.below(9))),
  ];
  random.pick(deeds)();
}

async function works(machine: OneThreadMachine, guest: BlockGuest): Promise<void> {
  await guest.connect();
  expect(guest.state).toBe("4");
  const [write, read] = [BlkOp.WRITE, BlkOp.READ].map((operation, i) => {
    const made = new BlkRequest();
    Object.assign(made, { operation, idLow: i + 1, sector: 64, segments: 1 });
    made.refs[0] = DATA_REF + i;
    made.last[0] = 7;
    return made;
  });
  guest.page(DATA_GFN).fill(0x5a);
  guest.page(DATA_GFN + 1).fill(0);
  for (const one of [write!, read!]) {
    guest.push([one]);
    await machine.run(16);
    expect(guest.responses()).toMatchObject([{ status: BlkStatus.OKAY }]);
  }
  expect(guest.page(DATA_GFN + 1).every((byte) => byte === 0x5a)).toBe(true);
}

async function trade(seed: number, kernel: BlockKernel): Promise<void> {
  const random = randomOf(seed);
  const machine = await OneThreadMachine.create(FRAMES, seed, async () => new MemoryDisk(SECTORS));
  const canary = new Canary(machine.core, CANARY);
  // What the core keeps for the next domain is there after the first.
  const first = await BlockGuest.start(machine, kernel);
  await works(machine, first);
  await machine.host.destroy(first.domid);
  const free = machine.core.call.machineFreeFrames();
  const guest = await BlockGuest.start(machine, kernel);
  await guest.connect();
  for (let round = 0; round < ROUNDS; round++) {
    guest.push(Array.from({ length: random.below(8) }, () => request(random)));
    if (random.once(8)) spoil(guest, random);
    await machine.run(4);
    guest.responses();
    if (random.once(10) || guest.state !== "4") await guest.connect();
  }
  await works(machine, guest);
  canary.check();
  await machine.host.destroy(guest.domid);
  expect(machine.core.call.machineFreeFrames()).toBe(free);
}

it("Domain0 stands whatever a block front end does", { timeout: 600_000 }, async () => {
  const kernel = await blockKernel();
  await fuzz("block requests", SEEDS, (seed) => trade(seed, kernel));
});
