/** Test kernels that end by the exit port: `xl run` ends with the status that QEMU's isa-debug-exit would give. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Assembler, pvhElf } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";

const XL = fileURLToPath(new URL("../../dist/xl.js", import.meta.url));
const ORIGIN = 0x100000;
const folder = mkdtempSync(join(tmpdir(), "xl-exit-"));
const assembler = new Assembler(await loadTable());

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a kernel that prints "done" at COM1 and then executes `ending`. */
function run(ending: string, ...settings: readonly string[]) {
  const print = [..."done\n"].map((c) => `mov al, ${c.charCodeAt(0)}; out dx, al`).join("; ");
  const source = `.code32\nmov edx, 0x3f8; ${print}\n${ending}\n1: hlt; jmp 1b\n`;
  writeFileSync(join(folder, "kernel"), pvhElf(assembler.assemble(source, { origin: ORIGIN }), ORIGIN));
  const args = ["run", "--timeout", "60", "--stats", "stats", "kernel=kernel", "memory=16", "serial=stdio"];
  const { status, stdout, stderr } = spawnSync(process.execPath, [XL, ...args, ...settings], {
    cwd: folder,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe.each([
  { name: "several threads", option: [] },
  { name: "one thread", option: ["--single-thread"] },
])("on a machine of $name", ({ option }) => {
  it.each([
    ["mov al, 0; out 0xf4, al", 1],
    ["mov al, 1; out 0xf4, al", 3],
    ["mov eax, 0x10; out 0xf4, eax", 0x21],
    ["mov ax, 0x181; out 0xf4, ax", 3],
    ["mov eax, -1; out 0xf4, eax", 0xff],
    ["mov eax, 0x7fffffff; out 0xf4, eax", 0xff],
  ])("%s is status %i", (ending, status) => {
    expect(run(ending, "exit_port=1", ...option)).toEqual({ status, stdout: "done\n", stderr: "" });
  });

  it("there is none unless the configuration asks for it", () => {
    const sleeps = "mov al, 1; out 0xf4, al; lidt [2f]; ud2; 2: .quad 0";
    expect(run(sleeps, ...option)).toMatchObject({ status: 3, stderr: expect.stringContaining("crashed") });
  });
});
