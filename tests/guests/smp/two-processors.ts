/**
 * Two processors at once, on pCPUs of their own: the first changes code that the second calls all the time, and wakes it
 * from MWAIT. Proves [SDM] vol. 3, 8.1.3 (cross-modifying code): what the second has read in the flag, and then executed
 * a serialising instruction, it must see in the code; vol. 2, MONITOR and MWAIT.
 *
 * The code is `mov eax, n; ret`. The first processor writes the number there; the second executes CPUID before it calls.
 */
import type { Check } from "../support/program.js";
import { gate, looking, type Round, round, roundsProgram } from "./rounds.js";

/** Another linear address of all of memory. */
const ALIAS = 0x80000000;
/**
 * Where the code lies in its page: in one of the chunks of 128 bytes that the core looks at, with its number in the next
 * one, and far behind the address that is called.
 */
const PLACE = { inside: 64, across: 127, behind: 350 } as const;
const SLED = 200;

interface CodeRound extends Pick<Round, "name" | "count" | "burst"> {
  /** Writes the number in R15D into the code at RBX. */
  readonly write: string;
  /** What else is done to the code at RBX at first. */
  readonly before?: string;
  readonly job?: string;
  readonly place?: number;
  /** Added to the address that the first processor writes to and to that which the second calls. */
  readonly writeAt?: number;
  readonly callAt?: number;
}

function code(r: CodeRound): Check {
  const { write, before: also = "", job = "second_calls", place = PLACE.inside, writeAt = 0, callAt = 0 } = r;
  const before = `
    mov ebx, area + ${place}
    call put_code
    ${also}
    mov eax, area + ${place + callAt}
    mov [call_at], rax
    mov ebx, area + ${place + writeAt}`;
  return round({ ...r, before, make: write, job });
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

/**
 * Code that counts its calls, in its own chunk: `inc dword ptr [rip + 32]` in front of it. Whoever runs it is stopped by
 * his own store, while the other has the same code valid again.
 */
const COUNTING = { before: "call put_count", write: "mov [rbx + 7], r15d; call rbx" } as const;

const CODE = `
${looking("second_calls", "cpuid; call qword ptr [call_at]")}

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

on_int3:
    mov qword ptr [rsp], int3_return
    iretq
int3_return:
    mov eax, -1
    ret

# \`mov esi, [flag]; cpuid\`, 9 bytes, in front of rbx.
put_cpuid:
    mov dword ptr [rbx - 9], 0x0025348b; mov dword ptr [rbx - 6], flag; mov word ptr [rbx - 2], 0xa20f
    ret

# \`inc dword ptr [rip + 32]; mov eax, 0; ret\` at rbx.
put_count:
    mov word ptr [rbx], 0x05ff; mov dword ptr [rbx + 2], 32
    mov byte ptr [rbx + 6], 0xb8; mov dword ptr [rbx + 7], 0; mov byte ptr [rbx + 11], 0xc3
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

export const twoProcessors = roundsProgram(
  "two processors",
  [
    code({ name: "a store", count: 2000, write: STORE }),
    code({ name: "stores one after the other", count: 32000, burst: 16, write: STORE }),
    code({ name: "a number in the next chunk", count: 2000, place: PLACE.across, write: STORE }),
    code({ name: "a number far behind", count: 2000, place: PLACE.behind, callAt: -SLED, write: STORE }),
    code({
      name: "a byte at a time",
      count: 2000,
      // From the top, so that what has been written so far is never a smaller number.
      write: "mov eax, r15d; shr eax, 16; mov [rbx + 3], al; mov eax, r15d; mov [rbx + 1], ax",
    }),
    code({ name: "a locked exchange", count: 2000, write: "mov eax, r15d; xchg [rbx + 1], eax" }),
    code({ name: "a page copied over it", count: 2000, write: COPY_PAGE }),
    code({
      name: "data on the same page",
      count: 2000,
      write: `mov [rbx + 2000], r15d; mov [rbx + 2004], r15d; ${STORE}; mov [rbx + 2000], r15d`,
    }),
    code({ name: "code that counts its calls beside itself", count: 20000, ...COUNTING }),
    code({ name: "written through another mapping", count: 2000, writeAt: ALIAS, write: STORE }),
    code({ name: "called through another mapping", count: 2000, callAt: ALIAS, write: STORE }),
    code({
      name: "code behind CPUID",
      count: 2000,
      job: "second_calls_behind",
      before: "call put_cpuid",
      callAt: -9,
      write: STORE,
    }),
    code({ name: "INT3 first", count: 400, job: "second_is_poked", write: POKE }),
    code({
      name: "INT3 first, its tail in the next chunk",
      count: 400,
      job: "second_is_poked",
      place: PLACE.across,
      write: POKE,
    }),
    code({
      name: "INT3 first, through another mapping",
      count: 400,
      job: "second_is_poked",
      writeAt: ALIAS,
      write: POKE,
    }),
    round({ name: "a write that MWAIT waits for", count: 2000, job: "second_monitors", make: "" }),
  ],
  {
    prepare: `
    mov rax, [page_pointers]
    mov [page_pointers + 16], rax
    ${gate(3, "on_int3")}`,
    code: CODE,
    bss: `
.align 4096
area: .skip 4096
image: .skip 4096
call_at: .skip 8
`,
  },
);
