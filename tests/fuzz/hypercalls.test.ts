/**
 * A hostile guest against the real core and the real Domain0: nothing traps, nothing throws, what belongs to others stays
 * as it is, Domain0 goes on answering, and when the guest is gone every frame has come back.
 */
import { expect, it } from "vitest";
import type { DomId } from "../../control-plane/api/index.js";
import { HostError } from "../../control-plane/api/index.js";
import type { Random } from "../support/random.js";
import { Canary } from "./canary.js";
import { HOSTILE_MIB, hostileKernel } from "./hostile.js";
import { OneThreadMachine } from "./one-thread.js";
import { fuzz, randomOf } from "./seeds.js";

const FRAMES = 16384;
const CANARY = 500;
const SEEDS = 6;
const ROUNDS = 12;
const TURNS = 24;

/** What people do to a domain meanwhile; an error must be one of the API's own. */
async function meddle(machine: OneThreadMachine, random: Random): Promise<void> {
  const { host } = machine;
  for (const { domid } of await host.list()) {
    const deeds: (() => Promise<unknown>)[] = [
      () => host.domain(domid),
      () => host.consoleScrollback(domid, "pv"),
      () => host.xenstoreList(`/local/domain/${domid}`),
      () => host.setMemory(domid, 8 + random.below(HOSTILE_MIB - 8)),
      () => host.trigger(domid, random.pick(["nmi", "sysrq"]), random.pick(["0", "c"])),
      () => host.shutdown(domid, random.pick(["poweroff", "reboot", "suspend"])),
      () => host.pause(domid).then(() => host.unpause(domid)),
      () => host.attachConsole(domid, "pv", () => {}).then((s) => s.write(new Uint8Array(random.below(3000)).fill(65))),
    ];
    await random
      .pick(deeds)()
      .catch((error: unknown) => {
        if (!(error instanceof HostError) || error.code === "internal") throw error;
      });
  }
}

/** Destroys all domains, those included that restart while others are destroyed. */
async function destroyAll({ host }: OneThreadMachine): Promise<void> {
  for (let left = await host.list(); left.length > 0; left = await host.list()) {
    for (const { domid } of left) {
      await host.destroy(domid).catch((error: unknown) => {
        if (!(error instanceof HostError) || error.code !== "no-such-domain") throw error;
      });
    }
  }
}

async function attack(seed: number): Promise<void> {
  const random = randomOf(seed);
  const machine = await OneThreadMachine.create(FRAMES, seed);
  const canary = new Canary(machine.core, CANARY);
  const kernel = await hostileKernel(seed);
  const start = (restarts: number): Promise<DomId> =>
    machine.host.create({ name: `hostile${restarts}`, kernel, memoryMiB: HOSTILE_MIB, vcpus: 1, onCrash: "restart" });
  // The first domains ever leave what is kept for the next.
  for (const domid of [await start(1), await start(2)]) await machine.host.destroy(domid);
  const before = await machine.host.info();
  await start(1);
  await start(2);
  for (let round = 0; round < ROUNDS; round++) {
    await machine.run(TURNS);
    canary.check();
    await meddle(machine, random);
    if ((await machine.host.list()).length < 2) await start(round + 3);
  }
  await destroyAll(machine);
  await machine.run(4);
  expect(await machine.host.list()).toEqual([]);
  expect((await machine.host.info()).usedKiB).toBe(before.usedKiB);
  canary.check();
}

it("a guest that hammers hypercalls and rings harms only itself", { timeout: 600_000 }, () =>
  fuzz("hostile guest", SEEDS, attack),
);
