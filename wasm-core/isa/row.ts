/**
 * The instruction table's row type and its vocabulary. The table is the single source of decoder, interpreter dispatch,
 * disassembler, assembler, documentation and tests. One row is one line, nearly what one reads in the manual.
 *
 *   op("ADD Eb+ Gb", "00 /r", "mmmmmm", "lock", "add")
 *       |    |        |         |        |       semantic: the function that does it, in assembly/interp
 *       |    |        |         |        notes, below
 *       |    |        |         flags O S Z A P C: m modified, u undefined, 0 1 forced, t tested, b tested and modified, - untouched; "" = none
 *       |    |        encoding: [NP|66|F3|F2] [0F [38|3A]] opcode [modrm byte | /r | /0../7], or VEX.{L0|L1|LIG}.{NP|66|F3|F2}.{0F|0F38|0F3A}.{W0|W1|WIG}
 *       |    operands: manual codes; `+` read and written, `=` written only, bare read
 *       mnemonic
 *
 * Encoding. A final `+` on the opcode (or on a literal ModRM byte, as in x87 "D8 C0+") takes a register in its low three bits.
 *   A row without NP/66/F3/F2 accepts any prefix (66 then selects the operand size). Immediates follow from the operands.
 * Operands: a kind and a size.
 *   kinds by value    E  ModRM r/m, register or memory       G  ModRM.reg              R  ModRM r/m, register only
 *                     M  ModRM r/m, memory only              Z  opcode low bits        B  VEX.vvvv
 *                     A  the accumulator (Ab = AL, Av = rAX) CL DX 1  themselves
 *                     I  immediate (Ib zero-extended, Is = a byte sign-extended to the operand size, Iw, Iz, Iv)
 *                     O  moffs                               S  segment register number  C, D  control, debug register number
 *   no value          Ma memory operand, address only (lin. address through rec)       J  branch displacement (Jb, Jz)
 *                     Ap far pointer 16:16/16:32             Mp  far pointer in memory   X, Y string operands
 *                     STi x87 register in rm                 ST0
 *   kinds by pointer  V  XMM by reg    W  XMM or memory by r/m     U  XMM by r/m only     H  XMM by VEX.vvvv
 *                     P  MMX by reg    Q  MMX or memory by r/m     N  MMX by r/m only     Mx memory only, 16 bytes (Mdq 16, Mq 8, ... are by value)
 *   sizes             b 8, w 16, d 32, q 64, v 16/32/64 by operand size, z 16/32/32, s (immediates) a byte sign-extended, y 32, or 64 with REX.W
 *                     for V W U P Q N: x 128, q 64, d 32, w 16, b 8 (how much memory is read or written)
 *                     for M: t 80 (x87 extended) passed by pointer
 * Notes, separated by spaces.
 *   shape   (none)  value: dest = f<T>(cpu, operands...), or void without a written operand
 *           rec     the value shape, with rec passed after cpu
 *           st      i32 status = f<T>(cpu, rec, operands...): for what can fault or branch; writes its registers itself
 *           raw     i32 status = f<T>(cpu, rec[, isMem][, isLock][, rep]): isMem for rows with E/W/Q, isLock with `lock`, rep (0, 1 F3, 2 F2) with `rep`
 *           <T> is there when an operand has size v, y or z (T = u16 u32 u64); fixed-size rows call f without <T>, unless noted `T`,
 *           which passes the size of the first operand (so that `add` serves Eb as add<u8>)
 *   end     the block ends after it (it may change mode, mapping, interrupts, or serialises)          branch  it always sets RIP
 *   jcc     conditional branch: a block goes on behind it
 *   v       three operand sizes although no operand shows them: raw and st rows take <T>        xlock  locked in its memory form without a prefix
 *   lock    LOCK is allowed with a memory destination: a value row is then one atomic, ATOMICS in gen/interp.ts            rep   F3/F2 repeat it
 *   d64     operand size defaults to 64 in 64-bit mode           f64   is forced to 64 there
 *   no64    #UD in 64-bit mode    only64  #UD outside it    pm  #UD in real and virtual-8086 mode     cpl0  #GP(0) above CPL 0 (and in VM86)
 *   fpu fpunw mmx sse   what may block it (fpunw: a non-waiting x87 form, pending errors do not count): CR0.EM/TS/NE and pending x87 errors, CR4.OSFXSR
 *   unal    a 16-byte memory operand need not be aligned         f:NAME  the CPUID feature it belongs to
 *   nz      32-bit results do not zero the register's upper half when the write is suppressed (CMOV and BSF take rec and do it themselves)
 */

export interface Row {
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
  readonly encoding: string;
  /** Six letters O S Z A P C, or "" when no flag is touched. */
  readonly flags: string;
  readonly notes: ReadonlySet<string>;
  readonly semantic: string;
}

export interface Operand {
  /** E, G, V, ... or a fixed name: CL, DX, 1, ST0, STi, a segment register. */
  readonly kind: string;
  /** b w d q v z y x s p a t, or "". */
  readonly size: string;
  readonly access: "r" | "w" | "rw";
}

const FIXED = new Set(["CL", "DX", "1", "ST0", "STi", "ES", "CS", "SS", "DS", "FS", "GS"]);

function parseOperand(text: string): Operand {
  const access = text.endsWith("+") ? "rw" : text.endsWith("=") ? "w" : "r";
  const body = access === "r" ? text : text.slice(0, -1);
  if (FIXED.has(body)) return { kind: body, size: "", access };
  return { kind: body.slice(0, 1), size: body.slice(1), access };
}

/** One instruction form. See the legend above. */
export function op(form: string, encoding: string, flags: string, notes: string, semantic: string): Row {
  const [mnemonic = "", ...operands] = form.split(/\s+/);
  return {
    mnemonic,
    operands: operands.map(parseOperand),
    encoding,
    flags,
    notes: new Set(notes.split(/\s+/).filter((n) => n !== "")),
    semantic,
  };
}

/** An opcode that hardware leaves undefined: an explicit #UD. */
export const ud = (encoding: string): Row => op("UD", encoding, "", "st", "undefinedOpcode");

/** The rows of one manual chapter's worth of instructions, with where they are defined. */
export interface Family {
  readonly name: string;
  /** Module in assembly/interp that exports the semantics. */
  readonly module: string;
  readonly source: string;
  readonly rows: readonly Row[];
}

export const family = (name: string, module: string, source: string, rows: readonly Row[]): Family => ({
  name,
  module,
  source,
  rows,
});
