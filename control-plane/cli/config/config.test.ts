import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { parseCfg } from "../cfg/index.js";
import { CliError } from "../errors.js";
import { planDomain } from "./config.js";
import { loadImages, planFromOverrides, readPlan, sortArguments } from "./load.js";

const MINIMAL = 'name = "web"\nkernel = "vmlinuz"\n';

function plan(text: string) {
  const result = planDomain(parseCfg(MINIMAL + text, "t.cfg"), "t.cfg", "/etc");
  if (!result.ok) throw new Error(result.problems.join("\n"));
  return result.plan;
}

function problems(text: string): readonly string[] {
  const result = planDomain(parseCfg(text, "t.cfg"), "t.cfg", "/etc");
  return result.ok ? [] : result.problems;
}

describe("what settings mean", () => {
  it("a minimal configuration gets defaults", () => {
    const { settings, kernelPath, ramdiskPath, console } = plan("");
    expect({ kernelPath, ramdiskPath, console }).toEqual({
      kernelPath: "vmlinuz",
      ramdiskPath: undefined,
      console: "pv",
    });
    expect(settings).toMatchObject({ name: "web", memoryMiB: 128, vcpus: 1 });
    expect(Object.values(settings.platform!).every((value) => value === false)).toBe(true);
  });

  test.each<[string, object]>([
    ["memory = 512\nmaxmem = 1024", { memoryMiB: 512, maxMemoryMiB: 1024 }],
    ["memory = '512'", { memoryMiB: 512 }],
    ["vcpus = 2\nmaxvcpus = 4", { vcpus: 2, maxVcpus: 4 }],
    ["vcpus = 2\ncpus = '0-3,^1'\ncpu_weight = 512\ncap = 150", { cpus: [[0, 2, 3]], weight: 512, cap: 150 }],
    ["vcpus = 2\ncpus = ['0', 'all']\ncpus_soft = 1", { cpus: [[0], "all"], softCpus: [[1]] }],
    ["uuid = '0F9D2E5A-0000-4000-8000-000000000001'", { uuid: "0F9D2E5A-0000-4000-8000-000000000001" }],
    ["cmdline = 'quiet'\nroot = '/dev/xvda'", { cmdline: "quiet" }],
    ["root = '/dev/xvda'\nextra = 'ro'", { cmdline: "root=/dev/xvda ro" }],
    ["root = '/dev/xvda'", { cmdline: "root=/dev/xvda" }],
    ["extra = 'ro'", { cmdline: "ro" }],
    ["type = 'pvh'", {}],
    [
      "on_poweroff='destroy'\non_reboot='restart'\non_crash='coredump-restart'\non_watchdog='preserve'",
      { onPoweroff: "destroy", onReboot: "restart", onCrash: "coredump-restart", onWatchdog: "preserve" },
    ],
    ["serial = 'pty'", { platform: expect.objectContaining({ serial: true }) }],
    ["serial = ['pty']", { platform: expect.objectContaining({ serial: true }) }],
    ["vif = ['']", { vifs: [{}] }],
    ["vif = []", { vifs: [] }],
    ["vif = ['', 'bridge=lab,vlan=7']", { vifs: [{}, { bridge: "lab", vlan: 7 }] }],
    ["vif = 'hostfwd=tcp::8080-:80'", { vifs: [{ forwards: [{ protocol: "tcp", hostPort: 8080, guestPort: 80 }] }] }],
    ["serial = 'none'", { platform: expect.objectContaining({ serial: false }) }],
    [
      "debugcon=1\nexit_port=1\nioapic=1\npit=1\npm_timer=1",
      { platform: { serial: false, debugcon: true, exitPort: true, ioapic: true, pit: true, pmTimer: true } },
    ],
  ])("%j", (text, expected) => {
    expect(plan(text).settings).toMatchObject(expected);
  });

  it('serial = "stdio" makes the serial console the first', () => {
    expect(plan("serial = 'stdio'").console).toBe("serial");
    expect(plan("serial = 'pty'").console).toBe("pv");
  });
});

it("root and extra that cmdline takes the place of are warned of", () => {
  const text = `${MINIMAL}cmdline = "quiet"\nroot = "/dev/xvda"`;
  expect(planDomain(parseCfg(text, "t.cfg"), "t.cfg", "/etc")).toMatchObject({
    plan: { settings: { cmdline: "quiet" } },
    warnings: ["t.cfg:4:8: root: cmdline takes its place: put it there, or rename cmdline to extra"],
  });
});

describe("mistakes", () => {
  test.each<[string, string[]]>([
    [
      "",
      [
        't.cfg: name: missing; expected name = "..."',
        't.cfg: kernel: missing; expected kernel = "FILE", a bzImage or an ELF file with a PVH note',
      ],
    ],
    [`${MINIMAL}memroy = 5`, ['t.cfg:3:1: memroy: there is no such setting; did you mean "memory"?']],
    [`${MINIMAL}Memory = 5`, ['t.cfg:3:1: Memory: there is no such setting; did you mean "memory"?']],
    [`${MINIMAL}frobnicate = 5`, ["t.cfg:3:1: frobnicate: there is no such setting"]],
    [`${MINIMAL}pci = ["a"]`, ["t.cfg:3:1: pci: not supported yet; remove it to start the domain without"]],
    [
      `${MINIMAL}vif = ["bridge=lab, model=e1000", 5, "mac=00:16:3e:00:00:01", "mac=00:16:3E:00:00:01"]`,
      [
        "t.cfg:3:21: vif: model: there are no emulated network cards: leave it out, guests use Xen's own (Linux: xen-netfront)",
        't.cfg:3:35: vif: expected a text in quotes, as in "bridge=lab" or ""',
        "t.cfg:3:63: vif: mac 00:16:3e:00:00:01 is there twice: give each interface its own",
      ],
    ],
    [`${MINIMAL}memory = 1`, ["t.cfg:3:10: memory: expected a whole number of MiB from 2 to 1048576, found 1"]],
    [
      `${MINIMAL}memory = "much"`,
      ['t.cfg:3:10: memory: expected a whole number of MiB from 2 to 1048576, found "much"'],
    ],
    [`${MINIMAL}memory = [1]`, ["t.cfg:3:10: memory: expected a whole number of MiB from 2 to 1048576, found a list"]],
    [
      `${MINIMAL}memory = 512\nmaxmem = 256`,
      ["t.cfg:4:10: maxmem: expected a whole number of MiB from 512 to 1048576, found 256"],
    ],
    [`${MINIMAL}vcpus = 0`, ["t.cfg:3:9: vcpus: expected a whole number from 1 to 128, found 0"]],
    [`${MINIMAL}vcpus = 4\nmaxvcpus = 2`, ["t.cfg:4:12: maxvcpus: expected a whole number from 4 to 128, found 2"]],
    [`${MINIMAL}cpus = "some"`, ['t.cfg:3:8: cpus: expected pCPUs, as in "0-3,^1" or "all"']],
    [`${MINIMAL}cpu_weight = 0`, ["t.cfg:3:14: cpu_weight: expected a whole number from 1 to 65535, found 0"]],
    [`${MINIMAL}pit = 2`, ["t.cfg:3:7: pit: expected 0 or 1, found 2"]],
    [`${MINIMAL}ramdisk = 5`, ["t.cfg:3:11: ramdisk: expected a string in quotes, found 5"]],
    [`${MINIMAL}uuid = "x"`, ['t.cfg:3:8: uuid: expected 8-4-4-4-12 hexadecimal digits, found "x"']],
    [
      `${MINIMAL}type = "hvm"`,
      ['t.cfg:3:8: type: "hvm" guests are not supported yet; expected "pvh" (Linux needs CONFIG_PVH)'],
    ],
    [`${MINIMAL}type = "pvhh"`, ['t.cfg:3:8: type: expected one of "pvh", found "pvhh"; did you mean "pvh"?']],
    [
      `${MINIMAL}on_crash = "restrat"`,
      [
        't.cfg:3:12: on_crash: expected one of "destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart", found "restrat"; did you mean "restart"?',
      ],
    ],
    [`${MINIMAL}serial = "tcp"`, ['t.cfg:3:10: serial: expected "stdio", "pty" or "none", found "tcp"']],
    ['name = "7"\nkernel = "k"', ["t.cfg:1:8: name: a number would be taken for a domain id"]],
    ['name = "a/b"\nkernel = "k"', ["t.cfg:1:8: name: expected 1 to 128 letters, digits and _ . : + -"]],
    [
      `${MINIMAL}vcpus = 0\nkernle = 'x'`,
      [
        't.cfg:4:1: kernle: there is no such setting; did you mean "kernel"?',
        "t.cfg:3:9: vcpus: expected a whole number from 1 to 128, found 0",
      ],
    ],
  ])("%j", (text, expected) => {
    expect(problems(text)).toEqual(expected);
  });
});

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "xl-config-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "vmlinuz"), "kernel");
  writeFileSync(join(folder, "web.cfg"), 'kernel = "vmlinuz"\nmemory = 64');

  it("the name is the file's when the configuration has none, and images are found beside it", async () => {
    const read = await readPlan(join(folder, "web.cfg"), ["memory=32"]);
    const config = await loadImages(read);
    expect(config).toMatchObject({ name: "web", memoryMiB: 32 });
    expect(Buffer.from(config.kernel).toString()).toBe("kernel");
  });

  it("absent files are named", async () => {
    await expect(readPlan("/nowhere/x.cfg", [])).rejects.toThrow(
      'configuration "/nowhere/x.cfg": there is no such file',
    );
    const noRamdisk = await readPlan(join(folder, "web.cfg"), ["ramdisk=nothing"]);
    await expect(loadImages(noRamdisk)).rejects.toThrow('ramdisk "nothing": there is no such file');
  });

  it("all mistakes are one error of status 1", async () => {
    const error = await readPlan(join(folder, "web.cfg"), ["memory=x", "vcpus=[]"]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({ exitStatus: 1 });
    expect((error as CliError).message.split("\n")).toHaveLength(2);
    const syntax = await readPlan(join(folder, "web.cfg"), ["disk=["]).catch((thrown: unknown) => thrown);
    expect(syntax).toMatchObject({ exitStatus: 1 });
  });

  it("settings alone make a domain of the defaults", () => {
    const defaults = { name: "debian", kernelPath: "/k", ramdiskPath: "/r", cmdline: "console=hvc0", memoryMiB: 256 };
    const { settings, kernelPath, ramdiskPath } = planFromOverrides(["vcpus=2"], defaults);
    expect({ ...settings, kernelPath, ramdiskPath }).toMatchObject({
      name: "debian",
      vcpus: 2,
      memoryMiB: 256,
      cmdline: "console=hvc0",
      kernelPath: "/k",
      ramdiskPath: "/r",
    });
    expect(planFromOverrides(["root=/dev/xvda", "extra=ro"], defaults).settings.cmdline).toBe(
      "console=hvc0 root=/dev/xvda ro",
    );
    const own = planFromOverrides(["kernel=other"], defaults);
    expect(own.ramdiskPath).toBeUndefined();
    expect(own.settings.cmdline).toBeUndefined();
  });

  it("sorts arguments", () => {
    expect(sortArguments(["a.cfg", "memory=1", "b.cfg"])).toEqual({
      files: ["a.cfg", "b.cfg"],
      overrides: ["memory=1"],
    });
  });
});
