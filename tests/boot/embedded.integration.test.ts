/** The project's own small guest, which stands in where Debian cannot be had: its prompt, its clock, its ends. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { DomId, HostApi } from "../../control-plane/api/index.js";
import { buildEmbeddedGuest } from "../../control-plane/guest/embedded/index.js";
import { BOOT_MS, Console } from "./debian.js";
import { MACHINES } from "./machines.js";

const PROMPT = "] > ";
/** The prompt shows the uptime: "[   12 s] > " or the like, anew each second. */
const CLOCK = /(\d+)[^\d\]]*\] > /g;

describe.each(MACHINES)("on a machine of $name", ({ machine }) => {
  let host: HostApi;
  let domid: DomId;
  let console: Console;

  beforeAll(async () => {
    host = await connectNode(machine);
    const kernel = await buildEmbeddedGuest();
    domid = await host.create({ name: "embedded", kernel, cmdline: "console=hvc0", memoryMiB: 32, vcpus: 1 });
    console = await Console.of(host, domid);
    await console.until(PROMPT);
  }, BOOT_MS);

  afterAll(() => host?.close());

  it("shows a running clock from its timer", async () => {
    await console.until(PROMPT, console.text.length);
    await console.until(PROMPT, console.text.length);
    const shown = [...console.text.matchAll(CLOCK)].map((match) => Number(match[1]));
    expect(new Set(shown).size).toBeGreaterThan(1);
  });

  it("answers to commands typed at its console", async () => {
    const from = console.text.length;
    console.type("help\r");
    await console.until("poweroff", from);
    console.type("cpuid\r");
    await console.until("GenuineIntel", from);
  });

  it("powers off on command", async () => {
    const ended = host.waitShutdown(domid);
    console.type("poweroff\r");
    expect((await ended).reason).toBe("poweroff");
    expect(await host.dmesg()).not.toMatch(/trapped|worker failed|core aborted/);
  });
});
