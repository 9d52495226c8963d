/**
 * Random programs: segments of random instructions with loops, branches, calls, code that overwrites itself. A fault
 * goes on behind its segment.
 */
import type { Random } from "../support/random.js";
import { FREE, type Instructions, loadImmediate, MOST_OPERAND, randomAddress, type X87Kind } from "./instruction.js";
import type { Mode } from "./machine.js";
import type { Item, Label, Program } from "./program.js";
import { ALIAS, CODE, DATA, DATA_BYTES, RSP_AT_START } from "./space.js";
import { addressOf, SteeredDraft } from "./steering.js";

const [RSP, RDI] = [4, 7];
const CALL = [0xe8];
const TABLE_AT = DATA + DATA_BYTES - 0x100;
/** Every precision and rounding; other systems' defaults; some and all exceptions unmasked. */
const CONTROL_WORDS = [0x37f, 0x27f, 0x07f, 0x77f, 0xb7f, 0xf7f, 0x1332, 0x340, 0x35f];
const PATCHES = [0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39];

const bytes = (...b: number[]): Item => ({ kind: "bytes", bytes: Uint8Array.from(b) });
const branch = (opcode: readonly number[], to: Label, wide = true): Item => ({ kind: "branch", opcode, wide, to });
const jcc = (cc: number, to: Label, wide: boolean): Item => branch(wide ? [0x0f, 0x80 + cc] : [0x70 + cc], to, wide);
const little = (value: number): number[] => [0, 8, 16, 24].map((s) => (value >> s) & 0xff);

export class ProgramMaker {
  readonly #draft: SteeredDraft;
  readonly #functions: Label[] = [];

  constructor(
    private readonly random: Random,
    private readonly instructions: Instructions,
    private readonly mode: Mode = 64,
  ) {
    this.#draft = new SteeredDraft(mode);
  }

  make(): Program {
    const { random } = this;
    for (let i = 1 + random.below(4); i > 0; i--) this.#functions.push(this.#draft.label());
    return this.#draft.program(
      8 + random.below(random.once(4) ? 60 : 12),
      () => {
        for (let i = 1 + random.below(5); i > 0; i--) this.#draft.segment(() => this.#segment());
      },
      () => {
        for (const f of this.#functions) this.#function(f);
      },
    );
  }

  /** REX.W where there is one. */
  get #wide(): number[] {
    return this.mode === 64 ? [0x48] : [];
  }

  #segment(): void {
    const { random } = this;
    this.#draft.items.push(loadImmediate(RSP, BigInt(RSP_AT_START)));
    if (random.once(8)) this.#draft.items.push({ kind: "page-end", before: random.below(24) });
    if (random.once(2)) this.#draft.items.push(bytes(0xdb, 0xe3));
    if (random.once(6)) this.#draft.items.push(bytes(0xfc));
    if (random.once(2)) this.#defaultMxcsr();
    if (random.once(4)) this.#toAlias();
    this.#block(4 + random.below(24), 0);
  }

  /** Goes on in the other mapping of the code: LEA RAX, XOR EAX, JMP RAX. */
  #toAlias(): void {
    const here = this.#draft.label();
    this.#draft.items.push(addressOf(this.mode, 0, here), bytes(0x35, ...little(ALIAS ^ CODE)), bytes(0xff, 0xe0));
    this.#draft.place(here);
  }

  /** PUSH 1F80h, LDMXCSR [RSP], POP RAX. */
  #defaultMxcsr(): void {
    this.#draft.items.push(bytes(0x68, ...little(0x1f80), 0x0f, 0xae, 0x14, 0x24, 0x58));
  }

  #function(label: Label): void {
    const { random } = this;
    if (random.once(3)) this.#draft.items.push({ kind: "page-end", before: random.below(24) });
    this.#draft.place(label);
    this.#block(1 + random.below(6), 2);
    if (random.once(4)) this.#draft.items.push(bytes(0xc2, 8 * random.below(3), 0));
    else this.#draft.items.push(bytes(0xc3));
  }

  #block(count: number, depth: number): void {
    for (let i = 0; i < count; i++) this.#part(depth);
  }

  #part(depth: number): void {
    const { random } = this;
    switch (random.below(32)) {
      case 0:
      case 1:
      case 2:
        this.#skip(depth);
        break;
      case 3:
        if (depth < 2) this.#loop(depth);
        break;
      case 4:
        if (depth < 2) this.#draft.items.push(branch(CALL, random.pick(this.#functions)));
        break;
      case 5:
        if (depth < 2) this.#indirectCall();
        break;
      case 6:
        if (random.once(2)) this.#patch();
        break;
      case 7:
        this.#pair(depth);
        break;
      case 8:
        this.#repeat();
        break;
      case 9:
        if (random.once(3)) this.#indirectJump();
        break;
      case 10:
        this.#float(depth);
        break;
      default:
        this.#draft.items.push(...this.instructions.random(random));
    }
  }

  /** A forward branch over something. */
  #skip(depth: number): void {
    const { random } = this;
    const over = this.#draft.label();
    if (random.once(8)) this.#draft.items.push(branch([random.pick([0xe0, 0xe1, 0xe2, 0xe3])], over, false));
    else this.#draft.items.push(jcc(random.below(16), over, random.once(2)));
    this.#block(1 + random.below(4), Math.max(depth, 1));
    this.#draft.place(over);
  }

  /** Numbers pushed on the x87's stack, computed with, now and then in a loop, and popped: mostly as many. */
  #float(depth: number): void {
    const { random } = this;
    if (random.once(3)) this.#draft.items.push(bytes(0xdb, 0xe3));
    if (random.once(3)) this.#controlWord(random.pick(CONTROL_WORDS));
    const count = 1 + random.below(4);
    const some = (kind: X87Kind, most: number): void => {
      for (let i = most; i > 0; i--) this.#draft.items.push(...this.instructions.x87(kind, random));
    };
    some("load", count);
    if (depth < 2 && random.once(2)) {
      this.#around(depth, () => {
        some("work", 1 + random.below(4));
        if (random.once(2)) this.#skip(depth + 1);
        some("load", 1);
        some("store", 1);
      });
    } else some("work", 1 + random.below(6));
    // FNSTSW AX, SAHF: what comes next may branch on it.
    if (random.once(4)) this.#draft.items.push(bytes(0xdf, 0xe0, 0x9e));
    some("store", random.once(8) ? random.below(6) : count);
  }

  /** PUSH, FLDCW [RSP], POP RAX. */
  #controlWord(value: number): void {
    this.#draft.items.push(bytes(0x68, ...little(value), 0xd9, 0x2c, 0x24, 0x58));
  }

  #loop(depth: number): void {
    this.#around(depth, () => this.#block(1 + this.random.below(8), depth + 1));
  }

  /** A loop around what `body` makes. */
  #around(depth: number, body: () => void): void {
    const { random } = this;
    this.#draft.items.push(this.#draft.steering.start(depth, 1 + random.below(random.once(4) ? 40 : 6)));
    const top = this.#draft.here();
    body();
    this.#draft.items.push(
      this.#draft.steering.countDown(depth, random.once(2)),
      jcc(random.once(2) ? 5 : 15, top, true),
    );
  }

  /** Through a register, or a table in memory. */
  #indirectCall(): void {
    const { random } = this;
    const register = random.pick(FREE.filter((n) => n < 8));
    const slot = TABLE_AT + 8 * random.below(8);
    this.#draft.items.push(addressOf(this.mode, register, random.pick(this.#functions)));
    if (random.once(2)) this.#draft.items.push(bytes(0xff, 0xd0 | register));
    else {
      this.#draft.items.push(bytes(...this.#wide, 0x89, 0x04 | (register << 3), 0x25, ...little(slot)));
      this.#draft.items.push(bytes(0xff, 0x14, 0x25, ...little(slot)));
    }
  }

  #indirectJump(): void {
    const { random } = this;
    const register = random.pick(FREE.filter((n) => n < 8));
    const to = this.#draft.label();
    this.#draft.items.push(addressOf(this.mode, register, to), bytes(0xff, 0xe0 | register));
    this.#block(1 + random.below(3), 2);
    this.#draft.place(to);
  }

  /** Overwrites the opcode of `op EAX, EBX`, or the constant of MOV, somewhere behind or ahead. */
  #patch(): void {
    const { random } = this;
    const target = this.#draft.label();
    const opcode = random.once(2);
    const value = opcode ? random.pick(PATCHES) : random.below(256);
    const patch = this.#store(target, opcode ? 0 : 1, value);
    const behind = random.once(2);
    if (behind) this.#draft.items.push(...patch);
    this.#block(random.below(3), 2);
    this.#draft.place(target);
    this.#draft.items.push(opcode ? bytes(random.pick(PATCHES), 0xd8) : bytes(0xb8, ...little(random.u32())));
    if (!behind) this.#draft.items.push(...patch);
  }

  /** Stores a byte behind a label: as MOV, by STOSB, or, where anything may be written, as locked XOR. */
  #store(label: Label, plus: number, value: number): Item[] {
    const { random } = this;
    const to = { label, plus };
    const direct = (opcode: number[]): Item => {
      const code = Uint8Array.of(...opcode, 0, 0, 0, 0, value);
      return { kind: this.mode === 64 ? "relative" : "absolute", bytes: code, at: opcode.length, to };
    };
    if (random.once(2)) return [addressOf(this.mode, RDI, label, plus), bytes(0xb0, value), bytes(0xaa)];
    return [direct(plus === 1 && random.once(2) ? [0xf0, 0x80, 0x35] : [0xc6, 0x05])];
  }

  #pair(depth: number): void {
    const { random } = this;
    this.#draft.items.push(bytes(0x50 | random.pick(FREE.filter((n) => n < 8))));
    this.#block(random.below(3), Math.max(depth, 1));
    this.#draft.items.push(bytes(0x58 | random.pick(FREE.filter((n) => n < 8))));
  }

  #repeat(): void {
    const { random } = this;
    const load = (register: number, v: bigint): Item => loadImmediate(register, BigInt.asUintN(this.mode, v));
    this.#draft.items.push(load(1, BigInt(random.below(random.once(6) ? 600 : 30))));
    this.#draft.items.push(load(6, randomAddress(random, MOST_OPERAND)), load(7, randomAddress(random, MOST_OPERAND)));
    const rex = random.once(3) ? this.#wide : [];
    this.#draft.items.push(
      bytes(random.once(2) ? 0xf3 : 0xf2, ...rex, random.pick([0xa4, 0xa5, 0xaa, 0xab, 0xa6, 0xae])),
    );
  }
}
