/**
 * Damaged kernels in the domain builder: each is refused with a reason or built, never more; nothing is left of a domain
 * that could not be built, and a built one runs whatever its bytes are without harming others.
 */
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { HostError } from "../../control-plane/api/index.js";
import type { Random } from "../support/random.js";
import { Canary } from "./canary.js";
import { notifierKernel } from "./notifier.js";
import { OneThreadMachine } from "./one-thread.js";
import { fuzz, randomOf } from "./seeds.js";

const FRAMES = 8192;
const CANARY = 500;
const SEEDS = 4;
const CASES = 60;
const MEMORY_MIB = 8;
const SECTOR = 512;
const SETUP_SECTORS = 4;
const PACKERS = [
  ["gzip", "-c"],
  ["xz", "-c", "--check=crc32"],
  ["lz4", "-l", "-c"],
  ["zstd", "-c", "-q"],
] as const;

/** A bzImage around a packed kernel; Linux appends the unpacked size to all but gzip. */
function bzImage(elf: Uint8Array, [tool, ...args]: readonly string[]): Uint8Array {
  const packed = execFileSync(tool!, args, { input: elf, stdio: ["pipe", "pipe", "ignore"] });
  const payload = Buffer.alloc(packed.length + 4);
  payload.set(packed);
  payload.writeUInt32LE(elf.length, packed.length);
  const setup = Buffer.alloc((SETUP_SECTORS + 1) * SECTOR);
  setup[0x1f1] = SETUP_SECTORS;
  setup.writeUInt16LE(0xaa55, 0x1fe);
  setup.writeUInt32LE(0x53726448, 0x202);
  setup.writeUInt16LE(0x20f, 0x206);
  setup.writeUInt32LE(0, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, payload]);
}

/** Changed bytes, most of them where headers are, words that are near limits, and cuts. */
function damage(file: Uint8Array, random: Random): Uint8Array {
  const out = Uint8Array.from(file);
  const view = new DataView(out.buffer);
  const place = () => {
    const area = random.pick([64, 256, 0x260, 0xb00, out.length]);
    return random.below(Math.min(area, out.length));
  };
  for (let i = random.below(6); i >= 0; i--) {
    const at = place();
    if (random.once(2)) out[at] = random.below(256);
    else if (at + 4 <= out.length)
      view.setUint32(at, random.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, random.u32()]), true);
  }
  return random.once(10) ? out.subarray(0, random.below(out.length)) : out;
}

async function build(machine: OneThreadMachine, kernel: Uint8Array): Promise<void> {
  const config = { name: "damaged", kernel, memoryMiB: MEMORY_MIB, vcpus: 1, onCrash: "preserve" } as const;
  const domid = await machine.host.create(config).catch((error: unknown) => {
    if (!(error instanceof HostError) || error.code === "internal") throw error;
    return null;
  });
  if (domid === null) return;
  await machine.run(8);
  for (const info of await machine.host.list()) await machine.host.destroy(info.domid);
}

it("the domain builder takes or refuses any bytes", { timeout: 600_000 }, async () => {
  const elf = await notifierKernel();
  const files = [elf, ...PACKERS.map((packer) => bzImage(elf, packer))];
  await fuzz("damaged kernels", SEEDS, async (seed) => {
    const random = randomOf(seed);
    const machine = await OneThreadMachine.create(FRAMES, seed);
    const canary = new Canary(machine.core, CANARY);
    for (const file of files) await build(machine, file);
    const { usedKiB } = await machine.host.info();
    for (let n = 0; n < CASES; n++) await build(machine, damage(random.pick(files), random));
    canary.check();
    expect(await machine.host.list()).toEqual([]);
    expect((await machine.host.info()).usedKiB).toBe(usedKiB);
  });
});
