/**
 * Random and nearly right block requests, grants and rings of a live domain, in the memory of the real core, with the real
 * back end behind them: Domain0 never throws, nobody else's memory or image changes, nothing stays mapped, whoever connects
 * anew and keeps to the protocol is served, and so is a neighbour meanwhile.
 */
import { expect, it } from "vitest";
import { BlkOp, BlkRequest, BlkStatus } from "../../control-plane/backends/blk/codec.js";
import {
  type Asker,
  checkImage,
  cloneImage,
  createImage,
  type Disk,
  Images,
  LiveDisk,
  MemoryDisk,
  MemoryFolder,
  SECTOR_BYTES,
  unlessGone,
} from "../../control-plane/storage/index.js";
import { SeededRandom } from "../../control-plane/util/index.js";
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
const PAGE = 4096;
const BLOCK_BYTES = 65536;
const OPERATIONS = [BlkOp.READ, BlkOp.WRITE, BlkOp.WRITE_BARRIER, BlkOp.FLUSH, BlkOp.DISCARD];
/** Of the shared ring's page, in bytes: the producers and event indices. */
const INDICES = [0, 4, 8, 12];
const RING_HEADER = 64;
/** The neighbour has its turn each so many rounds. */
const SERVED_EACH = 6;
/** A page that only the neighbour has granted. */
const FOREIGN_REF = DATA_REF + DATA_PAGES + 4;
const FOREIGN_GFN = DATA_GFN + DATA_PAGES + 4;

/** A disk for each of two guests, over one image that both read. */
class Disks {
  readonly #images: Images;
  #below: Uint8Array = new Uint8Array(0);

  private constructor(seed: number) {
    this.#images = new Images({
      folder: new MemoryFolder(),
      sources: { random: new SeededRandom(seed), now: () => 0 },
    });
  }

  static async create(seed: number): Promise<Disks> {
    const disks = new Disks(seed);
    const images = disks.#images;
    const bytes = SECTORS * SECTOR_BYTES;
    await createImage(images, "base.vhd", { kind: "dynamic", bytes, blockBytes: BLOCK_BYTES });
    const base = await images.open("base.vhd", "write");
    for (let at = 0; at < bytes; at += 2 * BLOCK_BYTES)
      await base.write(at / SECTOR_BYTES, [new Uint8Array(BLOCK_BYTES).fill(0xb5)]);
    await base.close();
    disks.#below = await disks.#contents("base.vhd");
    for (const name of ["guest.vhd", "neighbour.vhd"]) await cloneImage(images, "base.vhd", name);
    return disks;
  }

  readonly open = (target: string): Promise<Disk> => LiveDisk.open(this.#images, target);

  async #contents(name: string): Promise<Uint8Array> {
    const disk = await this.#images.openShared(name);
    const bytes = new Uint8Array(disk.sectors * SECTOR_BYTES);
    await disk.read(0, [bytes]);
    await disk.close();
    return bytes;
  }

  /** No image is damaged, and the neighbour's holds what is below it, and pages full of these marks where it wrote them. */
  async check(marks: readonly (readonly number[])[]): Promise<void> {
    for (const name of ["guest.vhd", "neighbour.vhd"]) {
      const findings = await checkImage(this.#images, name);
      expect(findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    }
    expect(Buffer.compare(await this.#contents("base.vhd"), this.#below)).toBe(0);
    for (const [sector, mark] of marks) this.#below.fill(mark!, sector! * SECTOR_BYTES, sector! * SECTOR_BYTES + PAGE);
    expect(Buffer.compare(await this.#contents("neighbour.vhd"), this.#below)).toBe(0);
  }
}

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

/** A page of the guest's goes to the disk and comes back. */
async function served(machine: OneThreadMachine, guest: BlockGuest, sector: number, mark: number): Promise<void> {
  guest.page(DATA_GFN).fill(mark);
  guest.page(DATA_GFN + 1).fill(0);
  for (const [i, operation] of [BlkOp.WRITE, BlkOp.READ].entries()) {
    guest.push([pageRequest(operation, sector, DATA_REF + i)]);
    await machine.run(16);
    expect(guest.responses()).toMatchObject([{ status: BlkStatus.OKAY }]);
  }
  expect(guest.page(DATA_GFN + 1).every((byte) => byte === mark)).toBe(true);
}

function pageRequest(operation: number, sector: number, ref: number): BlkRequest {
  const made = new BlkRequest();
  Object.assign(made, { operation, idLow: 1, sector, segments: 1 });
  made.refs[0] = ref;
  made.last[0] = 7;
  return made;
}

async function works(machine: OneThreadMachine, guest: BlockGuest): Promise<void> {
  await guest.connect();
  expect(guest.state).toBe("4");
  await served(machine, guest, 64, 0x5a);
}

/** What the neighbour has granted to Domain0 is no business of the guest's, whose own table has nothing there. */
async function refusesForeign(machine: OneThreadMachine, guest: BlockGuest, neighbour: BlockGuest): Promise<void> {
  neighbour.grant(FOREIGN_REF, FOREIGN_GFN);
  neighbour.page(FOREIGN_GFN).fill(0xc3);
  for (const operation of [BlkOp.READ, BlkOp.WRITE]) {
    guest.push([pageRequest(operation, 0, FOREIGN_REF)]);
    await machine.run(16);
    expect(guest.responses()).toMatchObject([{ status: BlkStatus.ERROR }]);
  }
  expect(neighbour.page(FOREIGN_GFN).every((byte) => byte === 0xc3)).toBe(true);
  neighbour.push([pageRequest(BlkOp.WRITE, 0, FOREIGN_REF)]);
  await machine.run(16);
  expect(neighbour.responses()).toMatchObject([{ status: BlkStatus.OKAY }]);
}

async function trade(seed: number, kernel: BlockKernel): Promise<void> {
  const random = randomOf(seed);
  const disks = await Disks.create(seed);
  const machine = await OneThreadMachine.create(FRAMES, seed, disks.open);
  const canary = new Canary(machine.core, CANARY);
  const start = (name: string) => BlockGuest.start(machine, kernel, name);
  // What the core keeps for the next domains is there after the first.
  const first = [await start("guest"), await start("neighbour")];
  for (const guest of first) await works(machine, guest);
  for (const { domid } of first) await machine.host.destroy(domid);
  const free = machine.core.call.machineFreeFrames();
  const [guest, neighbour] = [await start("guest"), await start("neighbour")];
  await guest.connect();
  await neighbour.connect();
  for (let round = 0; round < ROUNDS; round++) {
    guest.push(Array.from({ length: random.below(8) }, () => request(random)));
    if (random.once(8)) spoil(guest, random);
    if (round % SERVED_EACH === 0) await served(machine, neighbour, 128 + round * 8, 1 + round);
    await machine.run(4);
    guest.responses();
    if (random.once(10) || guest.state !== "4") await guest.connect();
  }
  await works(machine, guest);
  await refusesForeign(machine, guest, neighbour);
  canary.check();
  for (const { domid } of [guest, neighbour]) await machine.host.destroy(domid);
  expect(machine.core.call.machineFreeFrames()).toBe(free);
  const marks = Array.from({ length: ROUNDS / SERVED_EACH }, (_, i) => [
    128 + i * SERVED_EACH * 8,
    1 + i * SERVED_EACH,
  ]);
  await disks.check([[0, 0xc3], [64, 0x5a], ...marks]);
}

it("Domain0 stands whatever a block front end does, images are whole, and a neighbour is served", {
  timeout: 600_000,
}, async () => {
  const kernel = await blockKernel();
  await fuzz("block requests", SEEDS, (seed) => trade(seed, kernel));
});

/** A disk of a medium that is slow, or of a server that may never answer. */
class HeldDisk extends MemoryDisk {
  readonly held: (() => void)[] = [];

  constructor(private readonly hasServer: boolean) {
    super(SECTORS);
  }

  override read(_sector: number, _into: readonly Uint8Array[], asker?: Asker): Promise<void> {
    const answer = new Promise<void>((resolve) => this.held.push(resolve));
    return this.hasServer ? unlessGone(answer, asker) : answer;
  }
}

it.each([
  ["waits for a medium that is slow, and has its memory freed then", false],
  ["waits for no server", true],
] as const)("a guest that is destroyed while its disk reads %s", async (_, hasServer) => {
  const disk = new HeldDisk(hasServer);
  const machine = await OneThreadMachine.create(FRAMES, 1, async () => disk);
  const canary = new Canary(machine.core, CANARY);
  const kernel = await blockKernel();
  const first = await BlockGuest.start(machine, kernel);
  await machine.host.destroy(first.domid);
  const free = machine.core.call.machineFreeFrames();
  const guest = await BlockGuest.start(machine, kernel);
  await guest.connect();
  guest.push([pageRequest(BlkOp.READ, 0, DATA_REF)]);
  await machine.run(16);
  expect(disk.held).toHaveLength(1);
  let isGone = false;
  const gone = machine.host.destroy(guest.domid).then(() => {
    isGone = true;
  });
  if (!hasServer) {
    await machine.run(64);
    expect(isGone).toBe(false);
    expect(machine.core.call.machineFreeFrames()).toBeLessThan(free);
    disk.held[0]!();
  }
  await gone;
  expect(machine.core.call.machineFreeFrames()).toBe(free);
  canary.check();
});
