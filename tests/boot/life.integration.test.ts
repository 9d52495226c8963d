/**
 * One Debian guest through its whole life: boot, what it sees of its machine, work, idling, pausing, ballooning, a core
 * dump, reboot and power-off. The tests share the guest and run in order. Then all of it again without shared memory.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { DomId, HostApi, HostEvent } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { readCore } from "./elf-core.js";
import { idleShare } from "./idle.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { MACHINES } from "./machines.js";

const UUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
/** What the hypervisor may keep when its last guest has gone: structures that it uses again. */
const KEPT_KIB = 2048;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until the answer is right or the time is over; the last answer. */
async function eventually<T>(ask: () => Promise<T>, right: (answer: T) => boolean, ms = 60_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (right(answer) || performance.now() > end) return answer;
    await sleep(250);
  }
}

describe.each(MACHINES)("on a machine of $name", ({ machine }) => {
  const events: HostEvent[] = [];
  let host: HostApi;
  let debian: Debian;
  let emptyKiB = 0;

  beforeAll(async () => {
    host = await connectNode(machine);
    await host.subscribe((event) => events.push(event));
    emptyKiB = (await host.info()).usedKiB;
    debian = await Debian.boot(host, { name: "life", uuid: UUID, memoryMiB: 256, vcpus: 1 });
  }, BOOT_MS);

  afterAll(() => host?.close());

  describe("what the guest sees of its machine", () => {
    it("one processor, and a kernel log that hardware could have given", async () => {
      expect(await debian.output("grep -c ^processor /proc/cpuinfo")).toBe("1");
      expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
    });

    it("Xen, by version, features and its own UUID", async () => {
      const read = (file: string) => debian.output(`cat /sys/hypervisor/${file}`);
      expect(await read("type")).toBe("xen");
      expect(await read("guest_type")).toBe("PVH");
      expect(await read("uuid")).toBe(UUID);
      expect(await read("version/major")).toBe("4");
      expect(await read("properties/features")).toBe("00002305");
      expect(await read("properties/pagesize")).toBe("1000");
      expect(await read("properties/capabilities")).toContain("hvm-3.0-x86_64");
      expect(await debian.output("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")).toMatch(
        /^(xen|tsc)$/,
      );
    });

    it("the host's time of day, and time that passes as the host's does", async () => {
      const guest = Number(await debian.output("date +%s"));
      expect(Math.abs(guest - Date.now() / 1000)).toBeLessThan(5);
      const uptime = async () => Number((await debian.output("cut -d' ' -f1 /proc/uptime")).trim());
      const [guestStart, hostStart] = [await uptime(), performance.now()];
      await debian.output("sleep 1");
      const [guestEnd, hostEnd] = [await uptime(), performance.now()];
      expect(guestEnd - guestStart).toBeGreaterThanOrEqual(0.99);
      expect(Math.abs(guestEnd - guestStart - (hostEnd - hostStart) / 1000)).toBeLessThan(0.75);
    });

    it("events that xenstore brings: a watch on a name of its own", async () => {
      expect(await host.xenstoreRead(`/local/domain/${debian.domid}/vm`)).toBe(`/vm/${UUID}`);
      expect(await host.xenstoreRead(`/local/domain/${debian.domid}/control/feature-poweroff`)).toBe("1");
    });
  });

  describe("work", () => {
    it("hashes and packs as the host does", async () => {
      await debian.output("i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done >/tmp/lines");
      await debian.output(
        "for n in 1 2 3 4 5 6 7 8; do cat /tmp/lines; done >/tmp/text; cat /tmp/text /tmp/text /tmp/text >/tmp/data",
      );
      const lines = Array.from({ length: 400 }, (_, i) => `line ${i}\n`).join("");
      const text = lines.repeat(24);
      const hash = (kind: string) => createHash(kind).update(text).digest("hex");
      expect(await debian.output("md5sum </tmp/data")).toContain(hash("md5"));
      expect(await debian.output("sha256sum </tmp/data")).toContain(hash("sha256"));
      expect(await debian.output("gzip -c /tmp/data | gunzip -c | sha512sum")).toContain(hash("sha512"));
      expect(await debian.output("bzip2 -c /tmp/data | bunzip2 -c | cmp - /tmp/data && echo same")).toBe("same");
    });

    it("has its hot code compiled", async () => {
      const [region] = await host.regions();
      expect(region).toBeDefined();
      expect(await host.regionText(region!.id)).toMatch(/\w/);
      expect(region!.runs).toBeGreaterThanOrEqual(0);
      const exits = await host.regionExits(true);
      expect(exits.length).toBeGreaterThan(0);
      expect(exits[0]!.instructions).toBeGreaterThanOrEqual(exits.at(-1)!.instructions);
      expect(await host.dmesg()).not.toContain("a module of regions");
    });

    it("forks, execs and pipes a few hundred times without losing one", async () => {
      const loop =
        "n=0; i=0; while [ $i -lt 100 ]; do n=$((n + $(/bin/busybox echo $i | /bin/busybox cat))); i=$((i+1)); done; echo $n";
      expect(await debian.output(loop)).toBe("4950");
      expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
    });
  });

  describe("what Domain0 does with it", () => {
    it("an idle guest costs under 2 % of a core", { timeout: 150_000 }, async () => {
      expect(await idleShare(0.02)).toBeLessThan(0.02);
    });

    it("a paused guest runs no instruction and goes on where it was", async () => {
      debian.console.type("sleep 1; echo woke\n");
      await host.pause(debian.domid);
      const before = await host.domain(debian.domid);
      expect(before.state).toBe("paused");
      const from = debian.console.text.length;
      await sleep(2000);
      const after = await host.domain(debian.domid);
      expect(after.instructions).toBe(before.instructions);
      expect(debian.console.text.slice(from)).not.toContain("woke");
      await host.unpause(debian.domid);
      await debian.console.until("<status 0>", from);
      expect(debian.console.text.slice(from)).toContain("woke");
      expect(await debian.output("echo on")).toBe("on");
    });

    it("the balloon takes memory from the guest, which the machine gets back, and returns it", async () => {
      const current = async () =>
        Number(await debian.output("cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb"));
      const populated = async () => (await host.domain(debian.domid)).populatedKiB;
      // Free memory that was never touched costs the machine nothing: only touched pages can come back.
      await debian.output("dd if=/dev/zero of=/tmp/more bs=1M count=100 2>/dev/null; rm /tmp/more");
      const full = await current();
      expect(await populated()).toBeGreaterThan(140 * 1024);
      await host.setMemory(debian.domid, 128);
      expect(await eventually(current, (kib) => kib <= full - 100 * 1024)).toBeLessThanOrEqual(full - 100 * 1024);
      expect(await populated()).toBeLessThanOrEqual(130 * 1024);
      await host.setMemory(debian.domid, 256);
      expect(await eventually(current, (kib) => kib >= full - 4096)).toBeGreaterThanOrEqual(full - 4096);
      expect(await debian.output("md5sum </tmp/data")).toMatch(/^[0-9a-f]{32}/);
    });

    it("its core dump is an ELF core file with a processor's registers and the kernel in it", async () => {
      const chunks: Uint8Array[] = [];
      await host.dumpCore(debian.domid, (chunk) => {
        chunks.push(chunk);
      });
      const core = readCore(Buffer.concat(chunks));
      expect(core).toMatchObject({ type: 4, machine: 62, notes: 1 });
      expect(core.loadedBytes).toBeGreaterThan(32 << 20);
      const text = Number.parseInt(
        await debian.output("grep -m1 'Kernel code' /proc/iomem | tr -d ' ' | cut -d- -f1"),
        16,
      );
      expect(core.bytes(text, 4096)?.some((byte) => byte !== 0)).toBe(true);
      expect(await debian.output("echo still here")).toBe("still here");
    });
  });

  describe("how it ends", () => {
    it("reboot: a new domain of the same name, UUID and console", { timeout: BOOT_MS }, async () => {
      const from = debian.console.text.length;
      debian.console.type("reboot\n");
      await debian.console.until("Run /init as init process", from, BOOT_MS);
      const next = (await host.resolve("life")) as DomId;
      expect(next).not.toBe(debian.domid);
      expect(events).toContainEqual({ kind: "domain-shutdown", domid: debian.domid, reason: "reboot" });
      debian = await Debian.atShell(host, next, debian.console, debian.console.text.length);
      expect(await debian.output("cat /sys/hypervisor/uuid")).toBe(UUID);
    });

    it("shutdown from Domain0: the guest powers off by itself", async () => {
      const ended = host.waitShutdown(debian.domid);
      await host.shutdown(debian.domid, "poweroff");
      expect(await ended).toEqual({ reason: "poweroff" });
      await eventually(
        () => host.list(),
        (domains) => domains.length === 0,
      );
      expect(await host.list()).toEqual([]);
      expect((await host.info()).usedKiB - emptyKiB).toBeLessThan(KEPT_KIB);
      expect(await host.dmesg()).not.toMatch(/trapped|worker failed|core aborted/);
    });
  });
});
