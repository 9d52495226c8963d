import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8, readCpio, S_IFDIR, S_IFMT } from "../../formats/index.js";
import { unwrap } from "../../util/index.js";
import { readAppletNames } from "./busybox.js";
import { INIT_SCRIPT, UEVENT_SCRIPT } from "./files.js";
import {
  buildInitramfs,
  DHCP_SCRIPT,
  FREEZE_AGENT,
  initramfsEntries,
  NETQUEUES_SCRIPT,
  NETUP_SCRIPT,
} from "./index.js";

const BUSYBOX = encodeUtf8("code [ data\0[\0[[\0ash\0busybox\0init\0sh\0udhcpc6\0\x01rest");
const MODULE = { path: "lib/modules/6.1/kernel/a.ko", mode: 0o100644, data: encodeUtf8("elf") };
const PARTS = { busybox: BUSYBOX, moduleFiles: [MODULE], loadAtBoot: ["a"] };

test("applet names are read up to the end of the sorted table", () => {
  expect(readAppletNames(BUSYBOX)).toEqual(["[", "[[", "ash", "busybox", "init", "sh", "udhcpc6"]);
  expect(readAppletNames(encodeUtf8("no table here ["))).toEqual([]);
});

test("every entry's folder stands before it, and no path twice", () => {
  const seen = new Set([""]);
  const links = new Set<string>();
  for (const { path, mode } of initramfsEntries(PARTS)) {
    const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
    expect(seen.has(parent) && !links.has(parent), path).toBe(true);
    expect(seen.has(path), path).toBe(false);
    seen.add(path);
    if ((mode & S_IFMT) !== S_IFDIR) links.add(path);
  }
});

test("equal parts give equal bytes, and the archive reads back", () => {
  const archive = buildInitramfs(PARTS);
  expect(Buffer.compare(archive, buildInitramfs(PARTS))).toBe(0);
  const entries = new Map(unwrap(readCpio(archive)).map((entry) => [entry.path, entry]));
  expect(entries.get("init")!.mode).toBe(0o100755);
  expect(decodeUtf8(entries.get("bin/sh")!.data)).toBe("busybox");
  expect(decodeUtf8(entries.get("etc/modules")!.data)).toMatch(/\na\n$/);
  expect(entries.get("dev/console")).toMatchObject({ deviceMajor: 5, deviceMinor: 1 });
});

test.each([INIT_SCRIPT, UEVENT_SCRIPT, NETUP_SCRIPT, NETQUEUES_SCRIPT, DHCP_SCRIPT, FREEZE_AGENT])(
  "/init, the scripts of /etc and the agent are valid shell scripts",
  (script) => {
    execFileSync("sh", ["-n"], { input: script });
  },
);

test.each([
  ["xl.exec=poweroff", "poweroff"],
  ['quiet xl.exec="echo a  b; uname" panic=1', "echo a  b; uname"],
  ['quiet "xl.exec=echo a b" panic=1', "echo a b"],
  ["quiet", ""],
  ["notxl.exec=1", ""],
])("/init takes the command from %s", (cmdline, expected) => {
  const parser = INIT_SCRIPT.slice(INIT_SCRIPT.indexOf("command=\n"), INIT_SCRIPT.indexOf('if [ -n "$script" ]'));
  const script = `cmdline='${cmdline}'\n${parser}\nprintf %s "$command"`;
  expect(execFileSync("sh", [], { input: script }).toString()).toBe(expected);
});
