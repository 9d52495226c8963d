/**
 * Locked instructions of two processors at once, on the same memory: no change is lost or made twice, and each leaves in
 * its register and its flags what belongs to the value that it changed. Proves [SDM] vol. 3, 8.1.2.2 (software-controlled
 * bus locking); vol. 2, LOCK and XCHG (locked without a prefix).
 *
 * Both run the same steps, at the same time; what each has gathered in R8 is added up and shown with what is in memory.
 */
import { longProgram } from "../support/long.js";
import { type Check, check } from "../support/program.js";
import { MAP_APIC, SECOND_BSS, SECOND_STARTS, START_SECOND } from "./second.js";

/** Steps of each processor; even. */
const COUNT = 40_000;
const ALL = 2 * COUNT;
/** What counts in numbers of `bits`, where each was there once. */
const sumOfCounts = (bits: number): bigint => {
  const numbers = 1n << BigInt(bits);
  const [whole, rest] = [BigInt(ALL) / numbers, BigInt(ALL) % numbers];
  return (whole * numbers * (numbers - 1n) + rest * (rest - 1n)) / 2n;
};
/** How often a counter of `bits` comes back to 0. */
const wraps = (bits: number): number => Math.floor(ALL / 2 ** bits);

interface Round {
  readonly name: string;
  /** What one step of a processor does. EDI is its number, 0 or 1, and R9 a bit of its own, 1 or 2. */
  readonly step: string;
  /** What is in memory before, 0 where nothing is said, and after. */
  readonly from?: number;
  readonly to: number;
  /** R8 before the first step, 0 where there is none; and both added up at the end. */
  readonly begins?: string;
  readonly sum: number | bigint;
  /** What the first processor does when both are done. */
  readonly after?: string;
  /** Where it lies behind `words`, which begin a page, and how long it is. */
  readonly at?: number;
  readonly size?: "byte" | "word" | "dword" | "qword";
}

const REGISTERS = { byte: "al", word: "ax", dword: "eax", qword: "rax" } as const;

/** In a step `memory` stands for the operand. */
function round(r: Round): Check {
  const { name, step, from = 0, to, begins = "xor r8d, r8d", sum, after = "", at = 0, size = "dword" } = r;
  const place = `[words + ${at}]`;
  const withMemory = (code: string) => code.replaceAll("memory", `${size} ptr ${place}`);
  const code = `
    xor eax, eax
    mov [arrived], rax
    mov qword ptr ${place}, ${from}
    mov rax, 8f
    mov [job], rax
    xor edi, edi
    call 8f
7:  pause
    cmp qword ptr [job], 0
    jne 7b
    xor eax, eax
    ${withMemory(after)}
    mov ${REGISTERS[size]}, ${place}
    show "memory"
    mov rax, [gathered]
    add rax, [gathered + 8]
    show "sum"
    jmp 9f
8:  mov byte ptr [rdi + arrived], 1
    xor edi, 1
1:  pause
    cmp byte ptr [rdi + arrived], 0
    je 1b
    xor edi, 1
    lea r9d, [rdi + 1]
    ${begins}
    mov esi, ${COUNT}
2:  ${withMemory(step)}
    dec esi
    jnz 2b
    mov [rdi * 8 + gathered], r8
    ret
9:  `;
  return check(name, code, `memory=${to.toString(16)} sum=${sum.toString(16)} ran`);
}

/** Hands out numbers; R8 adds up those that the processor got. */
const numbers = (size: NonNullable<Round["size"]>, bits: number, at = 0): Check =>
  round({
    name: `XADD of a ${size}${at === 0 ? "" : ` at ${at}`}`,
    step: `mov eax, 1; lock xadd memory, ${REGISTERS[size]}; add r8, rax`,
    size,
    at,
    to: bits < 32 ? ALL % 2 ** bits : ALL,
    sum: sumOfCounts(bits),
  });

/** Three numbers change places, all the time: 4, which is in memory at first, and each processor's bit. */
const places = (size: NonNullable<Round["size"]>, register: string, at = 0): Check =>
  round({
    name: `XCHG of a ${size}${at === 0 ? "" : ` at ${at}`}`,
    begins: "mov r8d, r9d",
    step: `xchg memory, ${register}`,
    after: `mov ${REGISTERS[size]}, memory; add [gathered], rax; xor eax, eax; mov memory, ${REGISTERS[size]}`,
    size,
    at,
    from: 4,
    to: 0,
    sum: 7,
  });

export const lockedInstructions = longProgram(
  "locked instructions",
  [
    numbers("byte", 8),
    numbers("word", 16),
    numbers("dword", 32),
    numbers("qword", 64),
    numbers("dword", 32, 62),
    numbers("dword", 32, 4094),
    round({ name: "ADD", size: "byte", step: "lock add memory, 1; adc r8, 0", to: ALL % 256, sum: wraps(8) }),
    round({ name: "SUB", size: "byte", step: "lock sub memory, 1; adc r8, 0", to: -ALL & 255, sum: wraps(8) + 1 }),
    round({ name: "ADC", size: "byte", step: "stc; lock adc memory, 0; adc r8, 0", to: ALL % 256, sum: wraps(8) }),
    round({ name: "SBB", size: "byte", step: "stc; lock sbb memory, 0; adc r8, 0", to: -ALL & 255, sum: wraps(8) + 1 }),
    round({
      name: "ADC of a register",
      size: "qword",
      step: "mov eax, 2; stc; lock adc memory, rax; adc r8, 0",
      to: 3 * ALL,
      sum: 0,
    }),
    round({
      name: "INC",
      size: "word",
      step: "stc; lock inc memory; setz al; setc dl; movzx eax, al; add r8, rax; movzx edx, dl; add r8, rdx",
      to: ALL % 65536,
      sum: wraps(16) + ALL,
    }),
    round({
      name: "DEC",
      size: "word",
      step: "lock dec memory; sets al; movzx eax, al; add r8, rax",
      from: 0x7fff,
      to: (0x7fff - ALL) & 0xffff,
      sum: Array.from({ length: ALL }, (_, n) => ((0x7ffe - n) & 0x8000) >> 15).reduce((a, b) => a + b),
    }),
    round({ name: "NEG", step: "lock neg memory; adc r8, 0", from: 5, to: 5, sum: ALL }),
    round({
      name: "OR and AND",
      step: `
    lock or memory, r9d; mov eax, memory; test eax, r9d; setz al; movzx eax, al; add r8, rax
    not r9d; lock and memory, r9d; not r9d; mov eax, memory; test eax, r9d; setnz al; movzx eax, al; add r8, rax`,
      to: 0,
      sum: 0,
    }),
    round({
      name: "XOR",
      step: "lock xor memory, r9d; mov eax, memory; and eax, r9d; add r8, rax",
      to: 0,
      sum: (COUNT / 2) * 3,
    }),
    round({ name: "NOT", size: "byte", step: "lock not memory", from: 0x5a, to: 0x5a, sum: 0 }),
    round({
      name: "BTS and BTR",
      step: "lock bts memory, edi; adc r8, 0; lock btr memory, edi; adc r8, 0",
      to: 0,
      sum: ALL,
    }),
    round({ name: "BTC", step: "lock btc memory, edi; adc r8, 0", to: 0, sum: COUNT }),
    round({
      name: "BTS and BTR of a constant bit, as a lock",
      step: `
3:  lock bts memory, 5
    jnc 4f
    pause
    jmp 3b
4:  inc dword ptr [words + 128]
    lock btr memory, 5
    adc r8, 0`,
      after: "mov eax, [words + 128]; mov memory, eax",
      to: ALL,
      sum: ALL,
    }),
    round({
      name: "CMPXCHG",
      step: "mov eax, memory\n3:  lea edx, [rax + 1]; lock cmpxchg memory, edx\n    jnz 3b\n    add r8, rax",
      to: ALL,
      sum: sumOfCounts(32),
    }),
    round({
      name: "CMPXCHG8B",
      size: "qword",
      step: `
    mov eax, [words]; mov edx, [words + 4]
3:  mov ebx, eax; mov ecx, edx; add ebx, 1; adc ecx, 0
    lock cmpxchg8b memory
    jnz 3b
    add r8, rax`,
      to: ALL,
      sum: sumOfCounts(64),
    }),
    round({
      name: "CMPXCHG16B",
      size: "qword",
      step: `
    mov rax, [words]; mov rdx, [words + 8]
3:  lea rbx, [rax + 1]; lea rcx, [rdx + 2]
    lock cmpxchg16b [words]
    jnz 3b
    add r8, rax`,
      after: "mov rax, [words + 8]; sub memory, rax; neg memory",
      to: ALL,
      sum: sumOfCounts(64),
    }),
    places("byte", "r8b"),
    places("word", "r8w"),
    places("dword", "r8d"),
    places("qword", "r8"),
    places("dword", "r8d", 62),
  ],
  {
    vcpus: 2,
    prepare: `${MAP_APIC}${START_SECOND}`,
    data: `
${SECOND_STARTS}
second_waits:
    pause
    mov rax, [job]
    test rax, rax
    jz second_waits
    mov edi, 1
    call rax
    mov qword ptr [job], 0
    jmp second_waits
`,
    bss: `${SECOND_BSS}
words: .skip 8192
job: .skip 64
arrived: .skip 64
gathered: .skip 16
`,
  },
);
