/**
 * Random programs that walk: loops of one piece of straight code, most of whose accesses go by constant steps, up and down,
 * over the ends of pages and of memory. In every few one of the registers is changed in a way that is no step.
 */
import type { Random } from "../support/random.js";
import type { Lines } from "./lines.js";
import type { Program } from "./program.js";
import { DATA, DATA_BYTES, EDGE_PAGES, EDGES, RSP_AT_START, STACK } from "./space.js";

const PAGE = 0x1000;
/** Registers that walk, the accumulator among them: its additions have encodings of their own. */
const WALKERS = {
  64: ["rax", "rbx", "rdx", "rsi", "rdi", "rbp", "r8", "r9"],
  32: ["eax", "ebx", "edx", "esi", "edi", "ebp"],
} as const;
const STEPS = [1, 1, 2, 4, 4, 8, 8, 16, 24, 64, 100, 128, 256, 300, 2048, 4096, 5000];
const DISTANCES = [0, 0, 0, 1, 4, 8, 16, 100, -1, -4, -8, -64, -256, 2040, 4092, -4096];
/** RCX takes what is loaded. */
const ACCESSES = {
  64: ["mov rcx, A", "mov A, rcx", "xor rcx, A", "add A, rcx", "movsxd rcx, dword ptr A"],
  32: ["mov ecx, A", "mov A, ecx", "sbb ecx, A", "add A, ecx"],
};
const COMMON = [
  "mov ecx, A",
  "mov A, ecx",
  "add ecx, A",
  "add A, cl",
  "mov A, cx",
  "movzx ecx, byte ptr A",
  "inc dword ptr A",
  "cmp A, ecx",
  "lock add A, ecx",
  "imul ecx, A",
  "movups xmm1, xmmword ptr A",
  "movups xmmword ptr A, xmm1",
  "movss xmm1, dword ptr A",
  "movq qword ptr A, xmm1",
];

export class WalkMaker {
  #walkers: readonly string[] = [];
  /** One that is no address, but a number that addresses have a multiple of. */
  #index: string | undefined;

  constructor(
    private readonly random: Random,
    private readonly lines: Lines,
  ) {}

  make(): Program {
    const { random, lines } = this;
    return lines.program(2 + random.below(3), () => {
      for (let i = 1 + random.below(3); i > 0; i--) lines.segment(() => this.#walk());
    });
  }

  #walk(): void {
    const { random, lines } = this;
    const walkers = WALKERS[lines.mode];
    lines.add(`mov ${lines.wide("rsp")}, ${RSP_AT_START}`);
    this.#walkers = Array.from({ length: 1 + random.below(3) }, () => random.pick(walkers));
    this.#index = random.once(3) ? random.pick(walkers) : undefined;
    for (const walker of this.#walkers) lines.add(`mov ${walker}, ${this.#place()}`);
    if (this.#index !== undefined) lines.add(`mov ${this.#index}, ${random.below(16)}`);
    const body = [
      ...this.#walkers.map((walker) => this.#step(walker)),
      ...Array.from({ length: 1 + random.below(5) }, () => this.#access()),
    ];
    if (this.#index !== undefined) body.push(this.#step(this.#index));
    if (random.once(4)) body.push(this.#leap());
    lines.loop(0, 10 + random.below(300), () => {
      while (body.length > 0) lines.add(body.splice(random.below(body.length), 1)[0]!);
    });
  }

  #place(): number {
    const { random } = this;
    return random.pick([
      DATA + random.below(DATA_BYTES),
      DATA + random.below(DATA_BYTES),
      EDGES + random.below(PAGE * EDGE_PAGES.length),
      STACK + random.below(PAGE),
    ]);
  }

  #access(): string {
    const { random } = this;
    const index = this.#index !== undefined && random.once(2) ? ` + ${this.#index}*${random.pick([1, 2, 4, 8])}` : "";
    const address = `[${random.pick(this.#walkers)}${index} + ${random.pick(DISTANCES)}]`;
    return random.pick(random.once(3) ? ACCESSES[this.lines.mode] : COMMON).replace("A", address);
  }

  #step(walker: string): string {
    const { random } = this;
    const by = random.pick(STEPS);
    return random.pick([
      `add ${walker}, ${by}`,
      `add ${walker}, ${by}`,
      `sub ${walker}, ${by}`,
      `lea ${walker}, [${walker} + ${by}]`,
      `lea ${walker}, [${walker} - ${by}]`,
      `inc ${walker}`,
      `dec ${walker}`,
    ]);
  }

  /** What is no step, or not for every round. */
  #leap(): string {
    const { random } = this;
    const [a, b] = [random.pick(this.#walkers), random.pick(this.#walkers)];
    return random.pick([
      `mov ${a}, ${b}`,
      `xchg ${a}, ${b}`,
      `lea ${a}, [${b} + ${random.below(100)}]`,
      `cmovc ${a}, ${b}`,
      `neg ${a}; neg ${a}`,
      `xor ${a}, 64`,
      `push ${a}; pop ${b}`,
      `mov ${this.lines.narrow(a)}, ${this.lines.narrow(b)}`,
    ]);
  }
}
