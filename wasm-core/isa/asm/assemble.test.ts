import { beforeAll, describe, expect, it } from "vitest";
import { loadTable } from "../table.js";
import { Assembler, Disassembler, pvhElf } from "./index.js";

let assembler: Assembler;
let disassembler: Disassembler;
const hex = (source: string, origin = 0) => Buffer.from(assembler.assemble(source, { origin }).bytes).toString("hex");

beforeAll(async () => {
  const table = await loadTable();
  assembler = new Assembler(table);
  disassembler = new Disassembler(table);
});

describe("branches", () => {
  it("are short while the target is near, and grow when it is not", () => {
    expect(hex(".code64\na: jmp a; jz b\n.skip 4\nb:")).toBe("ebfe740400000000");
    expect(hex(".code64\njmp b\n.skip 200\nb:").slice(0, 10)).toBe("e9c8000000");
  });

  it("settle when one's growth pushes another's target away", () => {
    const image = assembler.assemble(".code32\na: jmp c; .skip 125; b: jmp d; c: .skip 200; d: jmp a");
    expect(image.symbols.get("c")).toBe(135n);
    expect(image.bytes[0]).toBe(0xe9);
  });

  it("find numeric labels in both directions", () => {
    expect(hex(".code64\n1: nop; jmp 1b; jmp 1f; 1: nop; jmp 1b")).toBe("90ebfdeb0090ebfd");
  });

  it("cross segments", () => {
    expect(hex(".code16\njmp 0x8:0x1234\no32 jmp 0x8:0x12345678")).toBe("ea3412080066ea785634120800");
    expect(hex(".code32\ncall 0x33:x\nx:", 0x1000)).toBe("9a071000003300");
  });
});

describe("operands", () => {
  it("take the shortest form that holds the value", () => {
    expect(hex(".code64\nmov rax, 1; mov rax, -1; mov rax, 0x123456789a; add eax, 0xffffffff")).toBe(
      "48c7c00100000048c7c0ffffffff48b89a7856341200000083c0ff",
    );
  });

  it("leave room for addresses that are not known yet", () => {
    expect(hex(".code32\nmov ecx, [eax + x]; push x\nx: .long x - $")).toBe("8b880b000000680b00000000000000");
  });

  it("must say how large memory is", () => {
    expect(() => hex(".code64\ninc [rax]")).toThrow(/line 2: inc: the size of the memory operand is not given/);
  });

  it("are refused with the line and what is wrong", () => {
    expect(() => hex("nop\nmov al, 300")).toThrow(/line 2: mov: an operand is out of range/);
    expect(() => hex("mvo eax, 1")).toThrow(/no instruction mvo/);
    expect(() => hex("jmp nowhere")).toThrow(/nowhere is not defined/);
    expect(() => hex(".code64\nmov rax, [rsp + rsp*2]")).toThrow(/stack pointer cannot be an index/);
  });
});

describe("source", () => {
  it("expands macros with names of their own", () => {
    expect(
      hex(".macro spin reg, n\n mov \\reg, \\n\nw\\@: dec \\reg\n jnz w\\@\n.endm\n.code64\nspin ecx, 5\nspin edx, 6"),
    ).toBe("b905000000ffc975fcba06000000ffca75fc");
  });

  it("lays out data", () => {
    expect(hex('.byte 1, \'a\'; .align 4; .long -1, x; x: .word 5; .ascii "a;b\\n"; .asciz "c"')).toBe(
      "01610000ffffffff0c0000000500613b620a6300",
    );
  });

  it("keeps what is zero out of the file", () => {
    const image = assembler.assemble("nop\n.bss\n.align 16\nx: .skip 100", { origin: 0x1000 });
    expect(image.bytes.length).toBe(1);
    expect(image.memoryBytes).toBe(116);
    expect(image.symbols.get("x")).toBe(0x1010n);
  });
});

it("says (bad) for what is no instruction, and goes on behind it", () => {
  const lines = [...disassembler.lines(Uint8Array.of(0x06, 0x90, 0x0f), 64, 0n)];
  expect(lines.map((l) => l.text)).toEqual(["(bad)", "nop", "(bad)"]);
});

it("wraps an image into an ELF with a PVH note", () => {
  const elf = pvhElf(assembler.assemble("hlt", { origin: 0x100000 }), 0x100000);
  const view = new DataView(elf.buffer);
  expect(view.getUint32(0)).toBe(0x7f454c46);
  expect(view.getUint32(64 + 112 + 16, true)).toBe(0x100000);
});
