/** Both of Debian's kernels, unmodified, at both ends of what they are given, and with the platform devices of an older PC. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Console, Debian, debianConfig } from "./debian.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { INTERPRETER, MACHINES } from "./machines.js";

describe.each([...MACHINES, INTERPRETER])("on a machine of $name", ({ machine }) => {
  let host: HostApi;
  beforeEach(async () => {
    host = await connectNode(machine);
  });
  afterEach(() => host.close());

  describe("the full kernel", () => {
    it("reaches a shell in 128 MiB with one processor, and powers off", { timeout: BOOT_MS }, async () => {
      const debian = await Debian.boot(host, { flavour: "full", memoryMiB: 128, vcpus: 1 });
      expect(await debian.output("grep -c ^processor /proc/cpuinfo")).toBe("1");
      expect(await debian.output("uname -r")).toMatch(/^6\.1\.0-\d+-amd64$/);
      expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
      // A guest that has run in regions says how much.
      expect((await host.domain(debian.domid)).jit !== undefined).toBe(machine.jit !== false);
      const ended = host.waitShutdown(debian.domid);
      debian.console.type("poweroff\n");
      expect(await ended).toEqual({ reason: "poweroff" });
    });

    it("reaches a shell with four processors and an I/O APIC", { timeout: BOOT_MS }, async () => {
      const platform = { ioapic: true };
      const debian = await Debian.boot(host, { flavour: "full", memoryMiB: 512, vcpus: 4, platform });
      expect(await debian.output("grep -c ^processor /proc/cpuinfo")).toBe("4");
      const log = await debian.output("dmesg -r");
      expect(log).toMatch(/IOAPIC\[0\]: apic_id/);
      expect(unexpectedMessages(log)).toEqual([]);
    });
  });

  describe("the cloud kernel", () => {
    it("runs one command in 128 MiB and powers off with its status", { timeout: BOOT_MS }, async () => {
      const extra = 'xl.exec="grep -c ^processor /proc/cpuinfo; exit 7"';
      const domid = await host.create(await debianConfig({ memoryMiB: 128, extra, onPoweroff: "preserve" }));
      const console = await Console.of(host, domid);
      expect(await host.waitShutdown(domid)).toEqual({ reason: "poweroff" });
      expect(console.text).toMatch(/^1\r?\nxl\.exec: exit status 7\r?$/m);
    });

    it("lives on a serial line, with I/O APIC, PIT and PM timer", { timeout: BOOT_MS }, async () => {
      const platform = { serial: true, ioapic: true, pit: true, pmTimer: true };
      const cmdline = "console=ttyS0 earlyprintk=xen mitigations=off cryptomgr.notests";
      const debian = await Debian.boot(host, { cmdline, platform, consoleKind: "serial" });
      expect(await debian.output("cat /sys/class/tty/console/active")).toBe("ttyS0");
      expect(await debian.output("grep ttyS0 /proc/interrupts")).toMatch(/IO-APIC/);
      expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
      expect(await debian.output("head -c 20000 /dev/zero | tr '\\0' z")).toBe("z".repeat(20000));
      const ended = host.waitShutdown(debian.domid);
      debian.console.type("poweroff\n");
      expect(await ended).toEqual({ reason: "poweroff" });
    });
  });
});
