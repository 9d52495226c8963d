import { expect, it } from "vitest";
import { Code } from "./code.js";
import { moduleBytes } from "./module.js";
import { Op, Type } from "./ops.js";

const SECTION_NAME = "metadata.code.branch_hint";

/** Reads unsigned numbers in LEB128, and skips. */
class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}

  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const b = this.bytes[this.at++]!;
      value |= (b & 0x7f) << shift;
      if (!(b & 0x80)) return value >>> 0;
    }
  }

  text(): string {
    const length = this.u32();
    this.at += length;
    return new TextDecoder().decode(this.bytes.slice(this.at - length, this.at));
  }
}

/** By function: the opcodes that hints name, with what they say. */
function hintedOpcodes(module: Uint8Array): [fn: number, opcode: number, likely: number][] {
  const sections = new Map<string, Uint8Array>();
  const r = new Reader(module);
  r.at = 8;
  while (r.at < module.length) {
    const id = module[r.at++]!;
    const size = r.u32();
    sections.set(String(id), module.slice(r.at, r.at + size));
    r.at += size;
  }
  const code = new Reader(sections.get("10")!);
  const bodies = Array.from({ length: code.u32() }, () => {
    const size = code.u32();
    code.at += size;
    return code.bytes.slice(code.at - size, code.at);
  });
  const hints = new Reader(sections.get("0")!);
  expect(hints.text()).toBe(SECTION_NAME);
  const out: [number, number, number][] = [];
  for (let functions = hints.u32(); functions > 0; functions--) {
    const fn = hints.u32();
    for (let n = hints.u32(); n > 0; n--) {
      const at = hints.u32();
      expect(hints.u32()).toBe(1);
      out.push([fn, bodies[fn - 1]![at]!, hints.u32()]);
    }
  }
  expect(hints.at).toBe(hints.bytes.length);
  return out;
}

it("branch hints name the branches of their functions", () => {
  const first = new Code();
  first.get(0).if(Type.VOID, "unlikely");
  first.end().i32(1000).end();
  const second = new Code();
  const label = second.block();
  second.get(0).brIf(label).get(0).brIf(label, "likely").end().get(0).end();
  const type = { params: [Type.I32], results: [Type.I32] };
  const module = moduleBytes({
    types: [type],
    imports: [{ module: "test", name: "imported", type: 0 }],
    memory: { initial: 1, maximum: 1 },
    functions: [
      { type: 0, locals: [[200, Type.I64]], code: first.bytes(), hints: first.hints },
      { type: 0, locals: [], code: second.bytes(), hints: second.hints },
    ],
  });
  expect(WebAssembly.validate(module as Uint8Array<ArrayBuffer>)).toBe(true);
  expect(hintedOpcodes(module)).toEqual([
    [1, Op.if, 0],
    [2, Op.br_if, 1],
  ]);
});
