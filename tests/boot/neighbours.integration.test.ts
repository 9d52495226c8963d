/**
 * A Debian guest beside guests that misbehave: one that spins, one that dies of a triple fault again and again, and one
 * that writes garbage to every ring and hypercall. Debian goes on answering on its console, and nothing of ours gives way.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { DomId, HostApi, HostError } from "../../control-plane/api/index.js";
import { Assembler, pvhElf } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { HOSTILE_MIB, hostileKernel } from "../fuzz/hostile.js";
import { BOOT_MS, Debian } from "./debian.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { MACHINES } from "./machines.js";

const ORIGIN = 0x100000;
const SPINS = ".code32\ncli\n1: jmp 1b\n";
const TRIPLE_FAULTS = ".code32\nlidt [none]\nud2\nnone: .quad 0\n";
const HAMMER_MS = 8000;

async function program(source: string): Promise<Uint8Array> {
  return pvhElf(new Assembler(await loadTable()).assemble(source, { origin: ORIGIN }), ORIGIN);
}

describe.each(MACHINES)("on a machine of $name", ({ machine }) => {
  let host: HostApi;
  let debian: Debian;

  function start(name: string, kernel: Uint8Array): Promise<DomId> {
    const again = { onCrash: "restart", onReboot: "restart", onPoweroff: "restart" } as const;
    return host.create({ name, kernel, memoryMiB: HOSTILE_MIB, vcpus: 1, ...again });
  }

  /** Ends a domain that restarts all the time: between finding it and ending it, it may have become another. */
  async function destroyRestarting(name: string): Promise<void> {
    for (;;) {
      try {
        return await host.destroy(await host.resolve(name));
      } catch (error) {
        if ((error as HostError).code !== "no-such-domain") throw error;
      }
    }
  }

  async function answers(): Promise<void> {
    const text = "still here ".repeat(100).trim();
    expect(await debian.output(`echo "${text}" | gzip | gunzip`)).toBe(text);
  }

  beforeAll(async () => {
    host = await connectNode(machine);
    debian = await Debian.boot(host, { name: "debian", memoryMiB: 192 });
  }, BOOT_MS);

  afterAll(() => host?.close());

  it("one that spins with interrupts off", async () => {
    const spinners = [await start("spin-1", await program(SPINS)), await start("spin-2", await program(SPINS))];
    await answers();
    for (const domid of spinners) {
      expect((await host.domain(domid)).state).toBe("running");
      await host.destroy(domid);
    }
  });

  it("one that dies and is started again and again", async () => {
    let ended = 0;
    const stop = await host.subscribe((event) => {
      if (event.kind === "domain-shutdown" && event.reason === "crash") ended++;
    });
    await start("dies", await program(TRIPLE_FAULTS));
    while (ended < 20) await answers();
    stop();
    await destroyRestarting("dies");
  });

  it("two that write garbage to every ring and hypercall", { timeout: 120_000 }, async () => {
    await start("hostile-1", await hostileKernel(1));
    await start("hostile-2", await hostileKernel(2));
    const end = performance.now() + HAMMER_MS;
    while (performance.now() < end) await answers();
    for (const name of ["hostile-1", "hostile-2"]) await destroyRestarting(name);
    await answers();
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
    expect(await host.dmesg()).not.toMatch(/trapped|worker failed/);
    expect((await host.list()).map(({ name }) => name)).toEqual(["debian"]);
  });
});
