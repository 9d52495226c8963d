/**
 * The frame of programs of two processors where the first makes numbers and the second must see them. The first makes a
 * number and then writes it into `flag`. The second reads `flag` and looks: what it gets may be newer than what the flag
 * said, never older. Each tells the other by words of memory, and either stops when `failed` is set.
 */
import { longProgram } from "../support/long.js";
import { type Check, check, type GuestProgram } from "../support/program.js";
import { APIC, MAP_APIC, SECOND_APIC_ID, SECOND_BSS, SECOND_STARTS, START_SECOND } from "./second.js";

const IPI_VECTOR = 0x30;

export interface Round {
  readonly name: string;
  readonly count: number;
  /** What the first processor does before the second has the job. */
  readonly before?: string;
  /** Makes the number in R15D; RBX is as `before` left it. `jne 9f` where EDI is not what it must be. */
  readonly make: string;
  /** Where the second processor's job begins; it ends at `second_is_done`, or at `second_fails`. */
  readonly job: string;
  /** Numbers that are made before the second processor must have seen one. */
  readonly burst?: number;
}

export function round({ name, count, before = "", make, job, burst = 1 }: Round): Check {
  const code = `
    mov dword ptr [stop], 0; mov dword ptr [flag], 0; mov dword ptr [ack], 0; mov dword ptr [failed], 0
    ${before}
    xor r15d, r15d
    mov qword ptr [job], ${job}
8:  mov r14d, ${burst}
7:  inc r15d
    ${make}
    mov [flag], r15d
    dec r14d
    jnz 7b
6:  pause
    cmp dword ptr [failed], 0
    jne 5f
    cmp [ack], r15d
    jb 6b
    cmp r15d, ${count}
    jb 8b
    jmp 5f
9:  mov [wanted], r15d
    mov [got], edi
    mov dword ptr [failed], 1
5:  mov dword ptr [stop], 1
    # A monitor of the flag must see that too.
    mov eax, [flag]; mov [flag], eax
4:  pause
    cmp qword ptr [job], 0
    jne 4b
    cmp dword ptr [failed], 0
    je 3f
    mov eax, [wanted]; show "wanted"
    mov eax, [got]; show "got"
3:  `;
  return check(name, code);
}

/** A job of the second processor's: `look` leaves in EAX the number that it sees, and ESI as it is, the flag. */
export const looking = (name: string, look: string): string => `
${name}:
    cmp dword ptr [stop], 0
    jne second_is_done
    mov esi, [flag]
    ${look}
    cmp eax, esi
    jb second_fails
    mov [ack], esi
    jmp ${name}
`;

const SECOND = `
${SECOND_STARTS}
    mov dword ptr [ready], 1
second_waits:
    pause
    mov rax, [job]
    test rax, rax
    jz second_waits
    jmp rax
second_is_done:
    mov qword ptr [job], 0
    jmp second_waits
second_fails:
    mov [got], eax
    mov [wanted], esi
    mov dword ptr [failed], 1
    jmp second_is_done

on_ipi:
    call synchronised
    inc dword ptr [ipis]
    mov dword ptr [${APIC} + 0xb0], 0
    iretq

# Interrupts the second processor and waits until it has been.
synchronise:
    mov edx, [ipis]
    mov dword ptr [${APIC} + 0x310], ${SECOND_APIC_ID} << 24
    mov dword ptr [${APIC} + 0x300], 0x4000 | ${IPI_VECTOR}
1:  cmp dword ptr [failed], 0
    jne 2f
    cmp [ipis], edx
    je 1b
2:  ret
`;

const BSS = `
${SECOND_BSS}
flag: .skip 128
ack: .skip 128
job: .skip 64
stop: .skip 64
ready: .skip 4
failed: .skip 4
wanted: .skip 4
got: .skip 4
ipis: .skip 4
`;

export interface Parts {
  /** Called once before the second processor starts; ends without a RET. */
  readonly prepare: string;
  /** The jobs, and what else there is of code. */
  readonly code: string;
  /** What the second processor does when it is interrupted; keeps all registers. */
  readonly synchronised?: string;
  readonly bss: string;
}

/** Gate of \`vector\` to a label. */
export const gate = (vector: number, to: string): string =>
  `mov ecx, ${vector}; mov edx, ${to}; mov eax, 0x8e00; call set_gate`;

/** A program of these rounds. */
export function roundsProgram(name: string, rounds: readonly Check[], parts: Parts): GuestProgram {
  return longProgram(name, rounds, {
    vcpus: 2,
    prepare: `
    ${MAP_APIC}
    ${parts.prepare}
    ${gate(IPI_VECTOR, "on_ipi")}
    ${START_SECOND}
1:  pause
    cmp dword ptr [ready], 0
    je 1b`,
    data: `${SECOND}\nsynchronised:\n    ${parts.synchronised ?? ""}\n    ret\n${parts.code}`,
    bss: `${BSS}\n${parts.bss}`,
  });
}
