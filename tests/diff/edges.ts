/**
 * Random programs about addresses: loops whose accesses lie off one or two bases near the ends of pages, with the bases
 * changed between them in every way that instructions have, and stacks that run over page ends. Lines of assembly, each
 * an item of its own.
 */
import type { Random } from "../support/random.js";
import type { Lines } from "./lines.js";
import type { Label, Program } from "./program.js";
import { DATA, DATA_BYTES, EDGE_PAGES, EDGES, FS_BASE_32, GS_BASE, RSP_AT_START, STACK, STACK_BYTES } from "./space.js";
import { addressOf } from "./steering.js";

const PAGE = 0x1000;
const DISTANCES = [0, 0, 1, 2, 4, 7, 8, 12, 15, 16, 24, 32, 64, 127, 128, 300, 2048, 4080, 4088, 4095, 4096, 4100];
const BASES = { 64: ["rbx", "rsi", "rdi", "rbp", "r8", "r9"], 32: ["ebx", "esi", "edi", "ebp"] } as const;
const WORD: Readonly<Record<string, string>> = { rbx: "bx", rsi: "si", rdi: "di", rbp: "bp", r8: "r8w", r9: "r9w" };
const VALUES = { 8: ["al", "cl", "dl"], 16: ["ax", "cx", "dx"], 32: ["eax", "ecx", "edx"], 64: ["rax", "rcx", "rdx"] };
const SIZES = { 8: "byte", 16: "word", 32: "dword", 64: "qword" } as const;
const UPDATES = [
  "add",
  "sub",
  "xor",
  "adc",
  "cmp",
  "test",
  "xchg",
  "xadd",
  "cmpxchg",
  "lock add",
  "lock xadd",
] as const;
const UNARY = ["inc", "dec", "neg", "not", "mul", "imul", "div", "sete", "lock inc"] as const;
const VECTOR = [
  "movups xmm1, xmmword ptr A",
  "movups xmmword ptr A, xmm1",
  "movaps xmm1, xmmword ptr A",
  "movaps xmmword ptr A, xmm1",
  "paddd xmm2, xmmword ptr A",
  "movq xmm1, qword ptr A",
  "movq qword ptr A, xmm2",
  "movd dword ptr A, xmm1",
  "movss xmm1, dword ptr A",
  "addsd xmm1, qword ptr A",
  "movhps qword ptr A, xmm1",
];

const NUMBERS = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9"];

type Bits = keyof typeof VALUES;

export class EdgeMaker {
  readonly #functions: Label[] = [];
  #bases: readonly string[] = [];

  constructor(
    private readonly random: Random,
    private readonly lines: Lines,
  ) {}

  make(): Program {
    const { random, lines } = this;
    for (let i = 1 + random.below(2); i > 0; i--) this.#functions.push(lines.label());
    return lines.program(
      3 + random.below(4),
      () => {
        for (let i = 1 + random.below(4); i > 0; i--) lines.segment(() => this.#segment());
      },
      () => {
        for (const f of this.#functions) this.#function(f);
      },
    );
  }

  /** Loads, then a loop. */
  #segment(): void {
    const { random, lines } = this;
    const stack = random.once(3) ? this.#edge() & -8 : RSP_AT_START;
    lines.add(`mov ${lines.wide("rsp")}, ${stack}`);
    this.#bases = [random.pick(BASES[lines.mode]), random.pick(BASES[lines.mode])];
    for (const b of this.#bases) lines.add(`mov ${b}, ${this.#edge()}`);
    if (random.once(3)) lines.add(`mov ecx, ${random.below(9)}`);
    if (random.once(5)) this.#overCode();
    lines.loop(0, 1 + random.below(40), () => {
      for (let i = 2 + random.below(12); i > 0; i--) this.#part();
    });
  }

  /** Where pages of different kinds meet, and a little around it. */
  #edge(): number {
    const { random } = this;
    const around = random.pick([0, 0, 1, 4, 8, 16, 24, 40, -1, -2, -4, -8, -12, -16, -24, -40, -136]);
    const places = [
      EDGES + PAGE * random.below(EDGE_PAGES.length + 1),
      EDGES + PAGE * random.below(EDGE_PAGES.length + 1),
      DATA + PAGE * (1 + random.below(3)),
      DATA + DATA_BYTES,
      STACK,
      STACK + PAGE,
      STACK + STACK_BYTES,
    ];
    // Most ends have memory on both sides: what faults is over soon.
    const plain = [DATA + PAGE * (1 + random.below(3)), STACK + PAGE, EDGES + 5 * PAGE];
    return random.pick(random.once(2) ? plain : places) + around;
  }

  #part(): void {
    const { random } = this;
    switch (random.below(12)) {
      case 0:
      case 1:
        this.lines.add(this.#change());
        return;
      case 2:
      case 3:
        this.lines.add(this.#stack());
        return;
      case 4: {
        const over = this.lines.label();
        this.lines.items.push({ kind: "branch", opcode: [0x70 + random.below(16)], wide: false, to: over });
        for (let i = 1 + random.below(3); i > 0; i--) this.lines.add(random.once(2) ? this.#access() : this.#change());
        this.lines.place(over);
        return;
      }
      case 5:
        if (random.once(2)) {
          this.lines.items.push({
            kind: "branch",
            opcode: [0xe8],
            wide: true,
            to: random.pick(this.#functions),
          });
          return;
        }
        break;
      case 6:
        if (random.once(2)) {
          this.#segmented();
          return;
        }
    }
    this.lines.add(this.#access());
  }

  #function(label: Label): void {
    const { random } = this;
    this.lines.place(label);
    this.#bases = [random.pick(BASES[this.lines.mode])];
    for (let i = random.below(4); i > 0; i--) this.lines.add(random.once(2) ? this.#stack() : this.#access());
    this.lines.add(random.once(4) ? `ret ${8 * random.below(3)}` : "ret");
  }

  #distance(): number {
    const { random } = this;
    return random.pick(DISTANCES) * (random.once(2) ? 1 : -1);
  }

  #address(): string {
    const { random } = this;
    const base = random.once(8) ? this.lines.wide("rsp") : random.pick(this.#bases);
    const index = random.once(6) ? ` + ${this.lines.wide("rcx")}*${random.pick([1, 2, 4, 8])}` : "";
    const by = this.#distance();
    if (this.lines.mode === 64 && random.once(20)) return `[${this.lines.narrow(base)} + ${by}]`;
    return `[${base}${index} + ${by}]`;
  }

  #value(bits: Bits): string {
    return this.random.pick(VALUES[bits]);
  }

  #access(address = this.#address()): string {
    const { random } = this;
    if (random.once(5)) return random.pick(VECTOR).replace("A", address);
    const bits = random.pick<Bits>(this.lines.mode === 64 ? [8, 16, 32, 64] : [8, 16, 32]);
    const memory = `${SIZES[bits]} ptr ${address}`;
    const value = this.#value(bits);
    switch (random.below(6)) {
      case 0:
        return `${random.pick(bits === 8 ? UNARY : UNARY.filter((u) => u !== "sete"))} ${memory}`;
      case 1:
      case 2: {
        const name = random.pick(UPDATES);
        return bits === 8 && random.once(2) ? `mov ${memory}, ${random.below(128)}` : `${name} ${memory}, ${value}`;
      }
      case 3:
        if (bits > 16) return `cmove ${value}, ${memory}`;
        return bits === 8 ? `movzx edx, ${memory}` : `movsx edx, ${memory}`;
      default:
        return random.once(2) ? `mov ${memory}, ${value}` : `mov ${value}, ${memory}`;
    }
  }

  /** An instruction that changes a base: those that are followed, and others. */
  #change(): string {
    const { random } = this;
    const [a, b] = [random.pick(this.#bases), random.pick(this.#bases)];
    const by = this.#distance();
    const small = 1 + random.below(24);
    const value = this.lines.wide("rdx");
    const counter = this.lines.wide("rcx");
    return random.pick([
      `lea ${a}, [${b} + ${by}]`,
      `lea ${a}, [${a} + ${small}]`,
      `add ${a}, ${by}`,
      `add ${a}, ${small}`,
      `sub ${a}, ${small}`,
      `sub ${a}, ${by}`,
      `mov ${a}, ${b}`,
      `inc ${a}`,
      `dec ${a}`,
      `xchg ${a}, ${b}`,
      `and ${a}, -16`,
      `cmove ${a}, ${b}`,
      `cmovne ${a}, ${b}`,
      `cmpxchg ${a}, ${b}`,
      `xadd ${a}, ${b}`,
      `bsf ${a}, ${b}`,
      `neg ${a}; neg ${a}`,
      `mov ${value}, ${a}; add ${value}, ${small}; mov ${a}, ${value}`,
      `push ${a}; pop ${b}`,
      `mov ${this.lines.narrow(a)}, ${this.lines.narrow(b)}`,
      `add ${this.#word(a)}, ${small}`,
      `lea ${a}, [${b} + ${counter}]`,
      `mov ${this.lines.wide("rsp")}, ${a}`,
      `mov ${a}, ${this.lines.wide("rsp")}`,
      `mov eax, 1; mul ${this.lines.narrow(a)}; mov ${this.lines.narrow(b)}, eax`,
    ]);
  }

  #word(name: string): string {
    return WORD[name] ?? name.slice(1);
  }

  #stack(): string {
    const { random } = this;
    const [sp, bp, a] = [this.lines.wide("rsp"), this.lines.wide("rbp"), this.lines.wide("rax")];
    const wide = this.lines.mode === 64 ? "qword" : "dword";
    const by = 8 * random.below(4);
    return random.pick([
      `push ${a}`,
      `push ${a}`,
      `push ${random.below(100)}`,
      "push ax",
      "pop cx",
      `pop ${a}`,
      `pop ${a}`,
      `push ${wide} ptr ${this.#address()}`,
      `pop ${wide} ptr ${this.#address()}`,
      `push ${sp}`,
      `pop ${sp}`,
      `push ${this.#bases[0]}; pop ${a}`,
      `sub ${sp}, ${by}`,
      `add ${sp}, ${by}`,
      `lea ${sp}, [${sp} - ${by}]`,
      `mov ${bp}, ${sp}`,
      `mov ${sp}, ${bp}`,
      `push ${bp}; mov ${bp}, ${sp}; sub ${sp}, ${by}`,
      "leave",
      `enter ${by}, ${random.below(3)}`,
      `xchg ${sp}, ${bp}`,
      `mov ${a}, [${sp} + ${by}]`,
      `mov [${sp} - ${by}], ${a}`,
      this.lines.mode === 64 ? "pushfq" : "pushfd",
    ]);
  }

  /** Accesses in FS or GS whose offset, or whose linear address, ends at 4 GiB; ordinary ones too. */
  #segmented(): void {
    const { random } = this;
    const fs = this.lines.mode === 32 && random.once(2);
    const base = fs ? FS_BASE_32 : GS_BASE;
    const to = random.once(2) ? base + random.below(24) - 12 : this.#edge();
    const register = this.lines.narrow(random.pick(this.#bases));
    const [first, by] = [random.below(16), random.below(16)];
    this.lines.add(`mov ${register}, ${(to - base - first) >>> 0}`);
    for (const d of [first, first + by, first - by])
      this.lines.add(this.#access(`${fs ? "fs" : "gs"}:[${register} + ${d}]`));
  }

  /** Stores off one base that walks up to the code of its loop: bytes that are no code first, then some that are. */
  #overCode(): void {
    const { random } = this;
    const target = this.lines.label();
    const base = random.pick(this.#bases);
    const by = 130 + random.below(500);
    const step = 8 << random.below(4);
    const rounds = 8 + random.below(40);
    this.lines.items.push({ kind: "page-end", before: 64 });
    this.lines.items.push(
      addressOf(this.lines.mode, NUMBERS.indexOf(base.replace("e", "r")), target, -by - step * rounds),
    );
    this.lines.loop(1, rounds + 3, () => {
      this.lines.add(`mov byte ptr [${base}], al`);
      this.lines.add(`add byte ptr [${base} + ${by + 1}], 1`);
      this.lines.add(`add ${base}, ${step}`);
      this.lines.place(target);
      this.lines.add("mov edx, 0x1234");
    });
  }
}
