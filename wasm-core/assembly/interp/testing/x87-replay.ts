/**
 * Runs the handlers of x87 and MMX rows on FNSAVE images and reduces what they leave to the bytes that a processor's
 * answer is compared in: FCW, FSW, full tag word, registers in stack order, memory, arithmetic flags, RAX, fault.
 */
import { Vcpu } from "../../../abi/structs/vcpu.js";
import { matchOf } from "../../../isa/encoding.js";
import { CPU, type Form, MEM, resetCpu, type SseCore, setRecord } from "./sse-core.js";
import { IMAGE_SIZE, MEMORY_SIZE, type MmxVector, type X87Vector } from "./x87-vectors.js";

const { off } = Vcpu;
const ARITHMETIC = 0x8d5;
export const RAX = 0x1111222233334444n;
export const RCX = 0x1122334455667788n;
const RDI_OFFSET = 56;

/** What a processor or the core left behind. */
export interface Answer {
  readonly image: Uint8Array;
  readonly memory: Uint8Array;
  readonly eflags: number;
  readonly rax: bigint;
  readonly fault: boolean;
}

/** The compared bytes: pointers and opcode of the environment are not among them. */
export function canonical(a: Answer): Uint8Array {
  if (a.fault) return Uint8Array.of(1);
  const out = new Uint8Array(6 + 80 + MEMORY_SIZE + 10);
  const view = new DataView(out.buffer);
  for (let i = 0; i < 3; i++) out.set(a.image.subarray(4 * i, 4 * i + 2), 2 * i);
  out.set(a.image.subarray(28), 6);
  out.set(a.memory, 86);
  view.setUint16(86 + MEMORY_SIZE, a.eflags & ARITHMETIC, true);
  view.setBigUint64(88 + MEMORY_SIZE, a.rax, true);
  return out;
}

/** Opcode and ModRM bytes of the 576 forms that x87 has: registers, and memory at [RDI]. */
export function x87Keys(): number[] {
  const keys: number[] = [];
  for (let op = 0xd8; op <= 0xdf; op++) {
    for (let reg = 0; reg < 8; reg++) keys.push((op << 8) | (reg << 3) | 7);
    for (let modrm = 0xc0; modrm <= 0xff; modrm++) keys.push((op << 8) | modrm);
  }
  return keys;
}

/** The form that decodes from an x87 key, with 32-bit operand size. */
export function x87Form(core: SseCore, key: number): Form | undefined {
  const modrm = key & 0xff;
  return core.forms.find((f) => {
    const m = matchOf(f.row);
    if (m.map !== "1" || !m.opcodes.includes(key >> 8) || !m.hasModrm) return false;
    if (m.form !== (modrm < 0xc0 ? "mem" : "reg") || m.reg !== ((modrm >> 3) & 7)) return false;
    return (m.rm === undefined || m.rm === (modrm & 7)) && (f.variant.size === 0 || f.variant.size === 32);
  });
}

/** Loads an image; the vCPU keeps only whether a register is in use. */
function loadImage(core: SseCore, image: Uint8Array): void {
  const from = new DataView(image.buffer, image.byteOffset);
  const fsw = from.getUint16(4, true);
  let tags = from.getUint16(8, true);
  for (let i = 0; i < 16; i += 2) if (((tags >> i) & 3) !== 3) tags &= ~(3 << i);
  core.view.setUint16(CPU + off.fcw, from.getUint16(0, true), true);
  core.view.setUint16(CPU + off.fsw, fsw, true);
  core.view.setUint16(CPU + off.ftw, tags, true);
  for (let i = 0; i < 8; i++)
    core.memory.set(image.subarray(28 + 10 * i, 38 + 10 * i), CPU + off.fpr + 16 * (((fsw >> 11) + i) & 7));
}

function contentTag(se: number, sig: bigint): number {
  const exp = se & 0x7fff;
  if (exp === 0 && sig === 0n) return 1;
  return exp === 0 || exp === 0x7fff || sig >> 63n === 0n ? 2 : 0;
}

function saveImage(core: SseCore): Uint8Array {
  const image = new Uint8Array(IMAGE_SIZE);
  const view = new DataView(image.buffer);
  const fsw = core.view.getUint16(CPU + off.fsw, true);
  let tags = core.view.getUint16(CPU + off.ftw, true);
  for (let n = 0; n < 8; n++) {
    const slot = CPU + off.fpr + 16 * n;
    const tag = contentTag(core.view.getUint16(slot + 8, true), core.view.getBigUint64(slot, true));
    if (((tags >> (2 * n)) & 3) !== 3) tags = (tags & ~(3 << (2 * n))) | (tag << (2 * n));
  }
  view.setUint16(0, core.view.getUint16(CPU + off.fcw, true), true);
  view.setUint16(4, fsw, true);
  view.setUint16(8, tags, true);
  for (let i = 0; i < 8; i++) {
    const slot = CPU + off.fpr + 16 * (((fsw >> 11) + i) & 7);
    image.set(core.memory.slice(slot, slot + 10), 28 + 10 * i);
  }
  return image;
}

function start(core: SseCore): void {
  resetCpu(core);
  core.view.setBigUint64(CPU, RAX, true);
  core.view.setBigUint64(CPU + 8, RCX, true);
  core.view.setBigUint64(CPU + RDI_OFFSET, BigInt(MEM), true);
}

function finish(core: SseCore, status: number): Answer {
  return {
    image: saveImage(core),
    memory: core.memory.slice(MEM, MEM + MEMORY_SIZE),
    eflags: core.flags(),
    rax: core.view.getBigUint64(CPU, true),
    fault: status === 2,
  };
}

export function runX87(core: SseCore, form: Form, key: number, v: X87Vector): Answer {
  start(core);
  loadImage(core, v.image);
  core.memory.set(v.memory, MEM);
  core.view.setUint32(CPU + off.eflags, v.eflags, true);
  const modrm = key & 0xff;
  setRecord(core, (modrm >> 3) & 7, modrm < 0xc0 ? RDI_OFFSET : modrm & 7, 0);
  return finish(core, core.run(form.index));
}

/** The image an MMX vector runs on: MM0 = a, MM1 = b, the others zero, all in MMX form. */
export function mmxImage(v: MmxVector): Uint8Array {
  const image = new Uint8Array(IMAGE_SIZE);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0xffff037f, true);
  view.setUint32(4, 0xffff0000, true);
  view.setUint32(8, 0xffff0000, true);
  view.setUint32(24, 0xffff0000, true);
  for (let i = 0; i < 8; i++) view.setUint16(36 + 10 * i, 0xffff, true);
  view.setBigUint64(28, v.a, true);
  view.setBigUint64(38, v.b, true);
  return image;
}

/** MMX register forms: operand `reg` is MM0 or EAX, `rm` MM1 or ECX (MM0 where the row's ModRM.reg extends the opcode). */
export function mmxForms(core: SseCore): Form[] {
  return core.forms.filter(
    (f) =>
      f.family.module.startsWith("mmx") &&
      f.variant.form === "reg" &&
      f.variant.size !== 64 &&
      f.row.mnemonic !== "MASKMOVQ",
  );
}

export const mmxName = (f: Form): string => `${f.row.mnemonic} ${f.row.encoding}`;

/** Bytes of an MMX form, for the recorder. */
export function mmxCode(f: Form, v: MmxVector): number[] {
  const m = matchOf(f.row);
  const map = { "0F": [0x0f], "0F38": [0x0f, 0x38], "0F3A": [0x0f, 0x3a] }[m.map as string] ?? [];
  const modrm = m.hasModrm ? [m.reg === undefined ? 0xc1 : 0xc0 | (m.reg << 3)] : [];
  const imm = f.row.operands.some((o) => o.kind === "I") ? [v.imm] : [];
  return [...map, m.opcodes[0]!, ...modrm, ...imm];
}

export function runMmx(core: SseCore, f: Form, v: MmxVector): Answer {
  start(core);
  loadImage(core, mmxImage(v));
  core.memory.fill(0, MEM, MEM + MEMORY_SIZE);
  core.view.setUint32(CPU + off.eflags, 2, true);
  const general = f.row.operands.find((o) => o.kind === "E" || o.kind === "R");
  const rm = matchOf(f.row).reg === undefined ? 1 : 0;
  setRecord(core, 0, general ? 8 * rm : rm, v.imm);
  return finish(core, core.run(f.index));
}
