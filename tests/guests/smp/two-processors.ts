/**
 * Two processors at once, on pCPUs of their own: the first changes code that the second calls all the time, and wakes it
 * from MWAIT. Proves [SDM] vol. 3, 8.1.3 (cross-modifying code): what the second has read in the flag, and then executed
 * a serialising instruction, it must see in the code; vol. 2, MONITOR and MWAIT.
 *
 * The code is `mov eax, n; ret`. The first processor writes n there and then in `flag`. The second reads `flag`, executes
 * CPUID, and calls: what it gets may be newer than what the flag said, never older. Each tells the other by words of
 * memory, and either stops when `failed` is set.
 */
import { longProgram } from "../support/long.js";
import { type Check, check } from "../support/program.js";
import { APIC, MAP_APIC, SECOND_APIC_ID, SECOND_BSS, SECOND_STARTS, START_SECOND } from "./second.js";

/** Another linear address of all of memory. */
const ALIAS = 0x80000000;
const IPI_VECTOR = 0x30;
/** What the second processor is told to do. */
const JOB = { call: 1, callBehindCpuid: 2, poke: 3, monitor: 4 } as const;
/**
 * Where the code lies in its page: in one of the chunks of 128 bytes that the core looks at, with its number in the next
 * one, and far behind the address that is called.
 */
const PLACE = { inside: 64, across: 127, behind: 350 } as const;
const SLED = 200;

interface Round {
  readonly name: string;
  readonly count: number;
  /** Writes the number in R15D into the code at RBX. */
  readonly write: string;
  readonly job?: number;
  readonly place?: number;
  /** Added to the address that the first processor writes to and to that which the second calls. */
  readonly writeAt?: number;
  readonly callAt?: number;
  /** Numbers that are written before the second processor must have seen one. */
  readonly burst?: number;
}

function round(r: Round): Check {
  const { name, count, write, job = JOB.call, place = PLACE.inside, writeAt = 0, callAt = 0, burst = 1 } = r;
  const code = `
    mov dword ptr [stop], 0; mov dword ptr [flag], 0; mov dword ptr [ack], 0; mov dword ptr [failed], 0
    mov ebx, area + ${place}
    call put_code${job === JOB.callBehindCpuid ? "; call put_cpuid" : ""}
    mov eax, area + ${place + callAt}
    mov [call_at], rax
    mov ebx, area + ${place + writeAt}
    xor r15d, r15d
    mov dword ptr [job], ${job}
8:  mov r14d, ${burst}
7:  inc r15d
    ${write}
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
5:  mov dword ptr [stop], 1
    # A monitor of the flag must see that too.
    mov eax, [flag]; mov [flag], eax
4:  pause
    cmp dword ptr [job], 0
    jne 4b
    cmp dword ptr [failed], 0
    je 3f
    mov eax, [wanted]; show "wanted"
    mov eax, [got]; show "got"
3:  `;
  return check(name, code);
}

/** Linux's text_poke_bp: INT3, everybody synchronised by an interrupt, the tail, again, the first byte, again. */
const POKE = `
    mov byte ptr [rbx], 0xcc
    call synchronise
    mov eax, r15d; and eax, 0x7f; imul eax, eax, 0x01010101
    mov [rbx + 1], eax
    call synchronise
    mov byte ptr [rbx], 0xb8
    call synchronise`;

const COPY_PAGE = `
    mov [image + ${PLACE.inside} + 1], r15d
    mov esi, image; lea rdi, [rbx - ${PLACE.inside}]; mov ecx, 512
    rep movsq`;

const STORE = "mov [rbx + 1], r15d";

const SECOND = `
${SECOND_STARTS}
second_waits:
    pause
    mov eax, [job]
    cmp eax, ${JOB.call}
    je second_calls
    cmp eax, ${JOB.callBehindCpuid}
    je second_calls_behind
    cmp eax, ${JOB.poke}
    je second_is_poked
    cmp eax, ${JOB.monitor}
    je second_monitors
    jmp second_waits
second_is_done:
    mov dword ptr [job], 0
    jmp second_waits
second_fails:
    mov [got], eax
    mov [wanted], esi
    mov dword ptr [failed], 1
    jmp second_is_done

second_calls:
    cmp dword ptr [stop], 0
    jne second_is_done
    mov esi, [flag]
    cpuid
    call qword ptr [call_at]
    cmp eax, esi
    jb second_fails
    mov [ack], esi
    jmp second_calls

# The code begins by reading the flag and executing CPUID itself.
second_calls_behind:
    cmp dword ptr [stop], 0
    jne second_is_done
    call qword ptr [call_at]
    cmp eax, esi
    jb second_fails
    mov [ack], esi
    jmp second_calls_behind

second_is_poked:
    cmp dword ptr [stop], 0
    jne second_is_done
    mov esi, [flag]
    call qword ptr [call_at]
    cmp eax, -1
    je second_is_poked
    # This number or the next one, and not parts of both.
    mov ecx, esi; and ecx, 0x7f; imul ecx, ecx, 0x01010101
    cmp eax, ecx
    je 1f
    lea ecx, [rsi + 1]; and ecx, 0x7f; imul ecx, ecx, 0x01010101
    cmp eax, ecx
    jne second_fails
1:  mov [ack], esi
    jmp second_is_poked

# Nothing else wakes it: a write that MONITOR misses stops everything.
second_monitors:
    cli
    xor esi, esi
1:  mov eax, flag; xor ecx, ecx; xor edx, edx
    monitor
    cmp dword ptr [stop], 0
    jne 2f
    mov eax, [flag]
    cmp eax, esi
    jne 3f
    xor eax, eax
    mwait
    jmp 1b
3:  mov esi, eax
    mov [ack], eax
    jmp 1b
2:  sti
    jmp second_is_done

on_ipi:
    inc dword ptr [ipis]
    mov dword ptr [${APIC} + 0xb0], 0
    iretq
on_int3:
    mov qword ptr [rsp], int3_return
    iretq
int3_return:
    mov eax, -1
    ret

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

# \`mov esi, [flag]; cpuid\`, 9 bytes, in front of rbx.
put_cpuid:
    mov dword ptr [rbx - 9], 0x0025348b; mov dword ptr [rbx - 6], flag; mov word ptr [rbx - 2], 0xa20f
    ret

# \`mov eax, 0; ret\` at rbx in a page of NOPs, and the same in the image.
put_code:
    mov edi, area; mov ecx, 4096; mov al, 0x90
    rep stosb
    mov byte ptr [rbx], 0xb8; mov dword ptr [rbx + 1], 0; mov byte ptr [rbx + 5], 0xc3
    mov esi, area; mov edi, image; mov ecx, 512
    rep movsq
    ret
`;

const BSS = `
${SECOND_BSS}
area: .skip 4096
image: .skip 4096
flag: .skip 128
ack: .skip 128
job: .skip 64
stop: .skip 64
failed: .skip 4
wanted: .skip 4
got: .skip 4
ipis: .skip 4
call_at: .skip 8
`;

export const twoProcessors = longProgram(
  "two processors",
  [
    round({ name: "a store", count: 2000, write: STORE }),
    round({ name: "stores one after the other", count: 32000, burst: 16, write: STORE }),
    round({ name: "a number in the next chunk", count: 2000, place: PLACE.across, write: STORE }),
    round({ name: "a number far behind", count: 2000, place: PLACE.behind, callAt: -SLED, write: STORE }),
    round({
      name: "a byte at a time",
      count: 2000,
      // From the top, so that what has been written so far is never a smaller number.
      write: "mov eax, r15d; shr eax, 16; mov [rbx + 3], al; mov eax, r15d; mov [rbx + 1], ax",
    }),
    round({ name: "a locked exchange", count: 2000, write: "mov eax, r15d; xchg [rbx + 1], eax" }),
    round({ name: "a page copied over it", count: 2000, write: COPY_PAGE }),
    round({
      name: "data on the same page",
      count: 2000,
      write: `mov [rbx + 2000], r15d; mov [rbx + 2004], r15d; ${STORE}; mov [rbx + 2000], r15d`,
    }),
    round({ name: "written through another mapping", count: 2000, writeAt: ALIAS, write: STORE }),
    round({ name: "called through another mapping", count: 2000, callAt: ALIAS, write: STORE }),
    round({ name: "code behind CPUID", count: 2000, job: JOB.callBehindCpuid, callAt: -9, write: STORE }),
    round({ name: "INT3 first", count: 400, job: JOB.poke, write: POKE }),
    round({
      name: "INT3 first, its tail in the next chunk",
      count: 400,
      job: JOB.poke,
      place: PLACE.across,
      write: POKE,
    }),
    round({ name: "INT3 first, through another mapping", count: 400, job: JOB.poke, writeAt: ALIAS, write: POKE }),
    round({ name: "a write that MWAIT waits for", count: 2000, job: JOB.monitor, write: "" }),
  ],
  {
    vcpus: 2,
    prepare: `
    ${MAP_APIC}
    mov rax, [page_pointers]
    mov [page_pointers + 16], rax
    mov ecx, ${IPI_VECTOR}; mov edx, on_ipi; mov eax, 0x8e00; call set_gate
    mov ecx, 3; mov edx, on_int3; mov eax, 0x8e00; call set_gate
    ${START_SECOND}`,
    data: SECOND,
    bss: BSS,
  },
);
