/** A region as text: the x86 instructions of each node, and under each the WebAssembly that it became. */
import { Vcpu } from "../abi/structs/vcpu.js";
import { Disassembler } from "../isa/asm/index.js";
import { DOORS } from "./doors.js";
import { L } from "./emitter.js";
import { variantTable } from "./instructions.js";
import { HandlerImports } from "./module.js";
import { emitMarked, type Mark } from "./region/emit.js";
import type { Region } from "./region/graph.js";
import type { MachineView } from "./region/machine-view.js";
import { type Names, printCode } from "./wasm/print.js";

const PAGE = 4096;
const LONGEST = 15;
const GPR = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const LOCAL_NAMES = new Map<number, string>(Object.entries(L).map(([name, n]) => [n, name.toLowerCase()]));
for (const [n, name] of GPR.entries()) LOCAL_NAMES.set(L.GPR + n, name);
for (let n = 0; n < 8; n++) LOCAL_NAMES.set(L.SIG + n, `sig${n}`).set(L.END + n, `end${n}`);

let disassembler: Disassembler | undefined;

/** The instruction that `bytes` begin with. */
export function disassemble(bytes: Uint8Array, address: bigint, long: boolean): string {
  if (disassembler === undefined) {
    // A row has a leaf for each place of the decoder's tree that it is found at.
    const rows = new Map(variantTable().map(({ row }) => [JSON.stringify({ ...row, notes: [...row.notes] }), row]));
    disassembler = new Disassembler([{ name: "all", module: "", source: "", rows: [...rows.values()] }]);
  }
  return disassembler.line(bytes, 0, long ? 64 : 32, address).text;
}

/** Guest code from `at` on, as far as the region's pages reach. */
function codeAt(view: MachineView, region: Region, at: number): Uint8Array {
  const start = Number(region.rip & 0xfffn) + at;
  const memory = new Uint8Array(view.buffer);
  const out: number[] = [];
  for (let byte = start; byte < start + LONGEST; byte++) {
    const host = region.hosts.get(byte & ~(PAGE - 1));
    if (host === undefined) break;
    out.push(memory[host + (byte & (PAGE - 1))]!);
  }
  return Uint8Array.from(out);
}

/** The address `at` bytes from the region's start. */
const hex = ({ rip }: Region, at: number): string => BigInt.asUintN(64, rip + BigInt(at)).toString(16);

function heading({ what, value }: Mark, view: MachineView, region: Region): string {
  if (what === "node" || what === "run") return `${what} ${value}`;
  if (what !== "instruction") return what;
  const rip = region.rip + BigInt(value);
  return `${hex(region, value)}  ${disassemble(codeAt(view, region, value), rip, region.long)}`;
}

/** The vCPU's field at an offset. What lies before the fields is a register, or belongs to a smaller structure. */
function fieldName(offset: number): string | undefined {
  if (offset < Vcpu.off.blockRip) return undefined;
  let found: string | undefined;
  for (const [name, field] of Vcpu.fields) {
    if (field.offset > offset) break;
    found = field.offset === offset ? name : `${name}+${offset - field.offset}`;
  }
  return found;
}

/** Names of handlers by function-table index, from the instructions that call them. */
function handlerNames(region: Region): Map<number, string> {
  const all = region.nodes.flatMap((n) => n.insns);
  return new Map(all.map(({ fn, v }) => [fn, `${v.semantic}${v.size || ""}${v.form === "mem" ? ".mem" : ""}`]));
}

/** Addresses that the code contains: they differ from machine to machine. */
function addressNames(region: Region): Map<number, string> {
  const out = new Map<number, string>();
  region.frames.forEach(({ genAt }, i) => {
    out.set(genAt, `generation of frame ${i}`);
  });
  for (const [page, host] of region.hosts) out.set(host, `page ${page}`);
  for (const { insns } of region.nodes) for (const i of insns) out.set(i.record, `record ${i.at}`);
  return out;
}

/** The region with its WebAssembly. */
export function describeRegion(view: MachineView, region: Region): string {
  const handlers = new HandlerImports();
  const { code, marks } = emitMarked(region, handlers.number);
  const called = handlerNames(region);
  const addresses = addressNames(region);
  const names: Names = {
    constant: (n) => addresses.get(n),
    offset: fieldName,
    local: (n) => LOCAL_NAMES.get(n) ?? `local ${n}`,
    function: (n) => DOORS[n]?.name ?? called.get(handlers.list[n - DOORS.length]!) ?? `function ${n}`,
  };
  const out: string[] = [";; enter"];
  let next = 0;
  for (const line of printCode(code, names, new Set(marks.map((m) => m.offset)))) {
    for (; next < marks.length && marks[next]!.offset <= line.offset; next++)
      out.push(`;; ${heading(marks[next]!, view, region)}`);
    out.push(`${"  ".repeat(line.depth + 1)}${line.text}`);
  }
  return `${out.join("\n")}\n`;
}

/** The x86 instructions of the region alone, node by node. */
export function disassembleRegion(view: MachineView, region: Region): string {
  const lines = region.nodes.flatMap(({ insns, term }, n) => [
    `node ${n}`,
    ...(term.kind === "switch" ? term.edges.map(({ at, to }) => `  ${hex(region, at)}  is node ${to}`) : []),
    ...insns.map((i) => `  ${heading({ offset: 0, what: "instruction", value: i.at }, view, region)}`),
  ]);
  return `${lines.join("\n")}\n`;
}
