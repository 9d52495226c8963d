/**
 * Where QEMU 7.2 differs from what the manual says or processors do, and what of the recorded state is therefore not
 * compared. What is left out is shown by the 64-bit vectors, which come from a processor, or by guest programs.
 */
import type { Row } from "../../../wasm-core/isa/row.js";
import type { Difference, Ignored } from "../differences.js";
import { NO_TRAP, OFF, type Vector } from "../layout.js";

const PAGE_FAULT = 14;
const WRITE = 2;
const OPERAND_SIZE = 0x66;
const ERROR: Ignored = { at: OFF.error, bytes: 4 };
const CR2: Ignored = { at: OFF.cr2, bytes: 8 };
const FAR: ReadonlySet<string> = new Set(["callFar", "callFarMem", "retFar", "retFarPop", "iret"]);

const pageFault = (v: Vector): boolean => v.after.trap === PAGE_FAULT;
const ran = (v: Vector): boolean => v.after.trap === NO_TRAP;
/** Whether the operand size is 16 bits; prefixes stand before a byte that is none. */
function isNarrow(v: Vector): boolean {
  const prefixes = v.code.findIndex(
    (b) => ![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(b),
  );
  return (v.mode === 16) !== v.code.subarray(0, prefixes).includes(OPERAND_SIZE);
}
const isVex = (row: Row): boolean => row.encoding.startsWith("VEX");

/** Each with the section of the manual that decides it, where one does. */
export const QEMU_DIFFERENCES: readonly Difference[] = [
  {
    why: "an operand that is read and written is read before the right to write it is asked for: the error code says read",
    when: (row, v) =>
      pageFault(v) &&
      !(v.after.error & WRITE) &&
      (row.semantic === "arpl" || row.operands.some((o) => o.access === "rw")),
    ignore: [ERROR],
  },
  {
    why: "far transfers push and pop with the rights of CPL 0: the error code lacks the user bit ([SDM] vol. 3, 4.7)",
    when: (row, v) => pageFault(v) && FAR.has(row.semantic),
    ignore: [ERROR],
  },
  {
    why: "which of two unmapped operands is reported is not defined, and the order of QEMU's reads is its own",
    when: (row, v) => pageFault(v) && row.mnemonic === "CMPS",
    ignore: [CR2, ERROR],
  },
  {
    why: "PUSHA begins with DI instead of AX ([SDM] vol. 2, PUSHA), and leaves what it wrote before a fault",
    when: (row, v) => pageFault(v) && row.semantic === "pushAll",
    ignore: "all",
  },
  {
    why: "RCL and RCR change the flags before their store faults ([SDM] vol. 3, 6.5: a fault leaves the state before)",
    when: (row, v) => pageFault(v) && (row.semantic === "rcl" || row.semantic === "rcr"),
    ignore: "all",
  },
  {
    why: "CLFLUSH, CLFLUSHOPT and CLWB touch no memory; the manual has #PF ([SDM] vol. 2, CLFLUSH)",
    when: (row) => row.semantic === "flushLine",
    ignore: "all",
  },
  {
    why: "BSWAP of a 16-bit register is undefined; processors make it zero",
    when: (row, v) => row.mnemonic === "BSWAP" && isNarrow(v),
    ignore: "all",
  },
  {
    why: "MOVBE and CRC32 take the operand size from the prefix alone, which is wrong in 16-bit code",
    when: (row, v) =>
      v.mode === 16 && (row.mnemonic === "MOVBE" || (row.mnemonic === "CRC32" && row.semantic !== "crc32b")),
    ignore: "all",
  },
  {
    why: "VEX prefixes are not known in 16-bit protected mode ([SDM] vol. 2, 2.3.2 has them there)",
    when: (row, v) => v.mode === 16 && isVex(row),
    ignore: "all",
  },
  {
    why: "BLSI's carry is inverted ([SDM] vol. 2, BLSI)",
    when: (row, v) => row.mnemonic === "BLSI" && ran(v),
    ignore: "all",
  },
  {
    why: "F6 /1 and F7 /1 are undefined; processors have TEST there",
    when: (row) => row.mnemonic === "TEST" && row.encoding.endsWith("/1"),
    ignore: "all",
  },
  {
    why: "the register forms of 0F 0D and 0F 18 are undefined; processors do nothing there",
    when: (row) => row.mnemonic === "PREFETCHW" || row.encoding === "0F 18 /r",
    ignore: "all",
  },
  {
    why: "ENTER takes the frame pointer from the whole of ESP when a 16-bit stack wraps ([SDM] vol. 2, ENTER)",
    when: (row, v) => row.semantic === "enter" && ran(v) && (v.before.gpr(4) & 0xffffn) < (v.after.gpr(4) & 0xffffn),
    ignore: "all",
  },
];
