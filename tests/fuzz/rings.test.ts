/**
 * Random and nearly right contents in the rings of live domains, with the real Domain0 behind them: it never throws, no
 * other domain's keys change, and it goes on serving whoever keeps to the protocol.
 */
import { expect, it } from "vitest";
import type { DomId } from "../../control-plane/api/index.js";
import type { Random } from "../support/random.js";
import { Canary } from "./canary.js";
import { notifierKernel } from "./notifier.js";
import { OneThreadMachine } from "./one-thread.js";
import { fuzz, randomOf } from "./seeds.js";
import { xenstoreMessage } from "./xenstore-messages.js";

const FRAMES = 4096;
const CANARY = 500;
const SEEDS = 10;
const ROUNDS = 60;
const MEMORY_MIB = 4;
const STORE_PFN = 1;
const CONSOLE_PFN = 17;
const RING = 1024;
const REQ_PROD = 2052;
const RSP_CONS = 2056;
const RSP_PROD = 2060;
const CONSOLE_OUT_RING = 2048;
const CONSOLE_INDICES = 3072;

/** The guest's side of both rings, played by the test. */
class Rings {
  readonly #view: DataView;
  readonly #store: number;
  readonly #console: number;

  constructor(machine: OneThreadMachine, domid: DomId) {
    const { call, memory } = machine.core;
    const page = (param: number) => call.domainPeek(domid, call.hvmParamGet(domid, param)) >>> 0;
    this.#store = page(STORE_PFN);
    this.#console = page(CONSOLE_PFN);
    if (this.#store === 0 || this.#console === 0) throw new Error("a ring page is missing");
    this.#view = new DataView(memory.buffer);
  }

  /** Appends bytes to the request ring without a look at whether they fit, and takes all answers. */
  request(bytes: Uint8Array): void {
    let prod = this.#view.getUint32(this.#store + REQ_PROD, true);
    for (const byte of bytes.subarray(0, RING)) this.#view.setUint8(this.#store + (prod++ % RING), byte);
    this.#view.setUint32(this.#store + REQ_PROD, prod, true);
  }

  takeAnswers(): void {
    this.#view.setUint32(this.#store + RSP_CONS, this.#view.getUint32(this.#store + RSP_PROD, true), true);
  }

  print(bytes: Uint8Array): void {
    const at = this.#console + CONSOLE_INDICES + 12;
    let prod = this.#view.getUint32(at, true);
    for (const byte of bytes) this.#view.setUint8(this.#console + RING + (prod++ % CONSOLE_OUT_RING), byte);
    this.#view.setUint32(at, prod, true);
  }

  /** Any word of either page. */
  spoil(random: Random): void {
    const word = random.once(2)
      ? random.pick([REQ_PROD, RSP_CONS, RSP_PROD, 2048, 2064, 2068])
      : 4 * random.below(1024);
    const console = CONSOLE_INDICES + 4 * random.below(4);
    if (random.once(2)) this.#view.setUint32(this.#store + word, random.u32(), true);
    else this.#view.setUint32(this.#console + console, random.u32(), true);
  }
}

/** Everything below a path, as text. */
async function tree(machine: OneThreadMachine, path: string): Promise<string> {
  const children = (await machine.host.xenstoreList(path)).sort();
  const below = await Promise.all(children.map((name) => tree(machine, `${path}/${name}`)));
  return `${path}=${await machine.host.xenstoreRead(path)}\n${below.join("")}`;
}

function feed(rings: Rings, random: Random): void {
  for (let i = random.below(3); i >= 0; i--) rings.request(xenstoreMessage(random));
  if (random.once(3)) rings.print(Uint8Array.from({ length: random.below(3000) }, () => random.below(256)));
  if (!random.once(4)) rings.takeAnswers();
  if (random.once(30)) rings.spoil(random);
}

async function talk(seed: number, kernel: Uint8Array): Promise<void> {
  const random = randomOf(seed);
  const machine = await OneThreadMachine.create(FRAMES, seed);
  const canary = new Canary(machine.core, CANARY);
  const config = { kernel, memoryMiB: MEMORY_MIB, vcpus: 1 };
  const bystander = await machine.host.create({ name: "bystander", ...config }, { paused: true });
  const keys = await tree(machine, `/local/domain/${bystander}`);
  let domid = await machine.host.create({ name: "talker", ...config });
  let rings = new Rings(machine, domid);
  for (let round = 0; round < ROUNDS; round++) {
    feed(rings, random);
    await machine.run(4);
    if (!random.once(20)) continue;
    // A ring that lied is given up by Domain0: a fresh domain has fresh ones.
    await machine.host.destroy(domid);
    domid = await machine.host.create({ name: "talker", ...config });
    rings = new Rings(machine, domid);
  }
  canary.check();
  expect(await tree(machine, `/local/domain/${bystander}`)).toBe(keys);
  expect((await machine.host.consoleScrollback(domid, "pv")).length).toBeLessThan(4 << 20);
  expect(await machine.host.xenstoreRead(`/local/domain/${domid}/name`)).toBe("talker");
}

it("Domain0 stands whatever stands in the rings", { timeout: 600_000 }, async () => {
  const kernel = await notifierKernel();
  await fuzz("ring contents", SEEDS, (seed) => talk(seed, kernel));
});
