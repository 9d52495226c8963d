/** Small programs whose regions are kept as text in expect/. They run at CPL 3; RSI points to data, RSP to a stack. */

export interface Golden {
  readonly name: string;
  readonly source: string;
  /** 32-bit code. */
  readonly mode?: 32;
  /** The region that was made last is looked at, for speed, instead of the first one's. */
  readonly hot?: true;
}

export const GOLDEN: readonly Golden[] = [
  {
    name: "alu-loop",
    source: `
start:  add rax, rbx
        xor rbx, rax
        sub ecx, 1
        jnz start
        int3`,
  },
  {
    name: "load-store-loop",
    source: `
start:  mov rax, [rsi + rdi * 8]
        add [rsi + rdi * 8 + 64], eax
        inc rdi
        cmp rdi, 8
        jb start
        int3`,
  },
  {
    name: "copy-loop",
    mode: 32,
    source: `
start:  mov eax, [esi]
        add esi, 4
        mov [esi + 0x1000], eax
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "segment-loop",
    source: `
start:  add eax, fs:[rsi]
        add rsi, 4
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "flags-put-off",
    source: `
start:  ror eax, 5
        add eax, [rsi + rdi * 4]
        inc rdi
        mov [rsi], eax
        cmp rdi, 8
        jb start
        int3`,
  },
  {
    name: "pointer-chase",
    source: `
start:  mov rsi, [rsi + 8]
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "push-call-ret",
    source: `
start:  push rbx
        call callee
        pop rbx
        dec ecx
        jnz start
        int3
callee: lea rax, [rax + rbx * 2]
        ret`,
  },
  {
    name: "compare-and-branch",
    source: `
start:  cmp eax, ebx
        jle less
        mov edx, eax
        jmp join
less:   mov edx, ebx
join:   setl al
        test edx, edx
        js start
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "byte-registers",
    source: `
start:  mov ah, bl
        add al, ah
        movzx edx, dh
        mov [rsi], sil
        dec cl
        jnz start
        int3`,
  },
  {
    name: "next-page",
    source: `
start:  add rax, 1
        jmp away
back:   dec ecx
        jnz start
        int3
        .org 0x401010
away:   add rbx, rax
        jmp back`,
  },
  {
    name: "handler",
    source: `
start:  mul rbx
        rdtsc
        mov ecx, 0
        fninit
        dec edi
        jnz start
        int3`,
  },
  {
    name: "indirect-jump",
    source: `
start:  mov eax, target
        jmp rax
target: dec ecx
        jnz start
        int3`,
  },
  {
    name: "switch",
    hot: true,
    source: `
start:  mov eax, even
        mov edi, odd
        sub ecx, 1
        jz out
        test ecx, 1
        cmovnz eax, edi
        jmp rax
even:   lea rbx, [rbx + rdx]
        jmp start
odd:    xor edx, ecx
        jmp start
out:    int3`,
  },
  {
    name: "call-through-register",
    hot: true,
    source: `
start:  mov eax, callee
        call rax
        sub ecx, 1
        jnz start
        int3
callee: lea rdx, [rdx + rcx]
        ret`,
  },
  {
    name: "x87-product",
    source: `
start:  fld qword ptr [rsi]
        fmul qword ptr [rsi + 8]
        fchs
        fstp qword ptr [rsi + 16]
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "x87-stack",
    source: `
start:  fld1
        fldz
        fxch st(1)
        fadd st(1), st
        fcomip st, st(1)
        fstp st
        ja start
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "x87-to-integer",
    source: `
start:  fild dword ptr [rsi]
        fldcw [rsi + 8]
        fistp dword ptr [rsi]
        fsin
        fnstsw ax
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "sse-sum",
    source: `
start:  movups xmm0, [rsi]
        paddd xmm1, xmm0
        mulps xmm0, [rsi + 16]
        addsd xmm2, xmm0
        movaps [rsi + 32], xmm1
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "locked",
    source: `
start:  mov eax, 1
        lock xadd [rsi], eax
        lock inc qword ptr [rsi + 8]
        xchg [rsi + 16], edx
        lock cmpxchg [rsi + 24], ebx
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "strings",
    source: `
start:  mov rdi, rsi
        lodsb
        stosb
        mov edx, ecx
        mov ecx, 3
        rep movsd
        mov ecx, edx
        mov rsi, rdi
        dec ecx
        jnz start
        int3`,
  },
  {
    name: "code-32",
    mode: 32,
    source: `
start:  mov eax, [esi + edi * 4 + 8]
        push eax
        add edi, 0xfffffffe
        and edi, 7
        pop dword ptr [esi]
        add esi, 4
        dec ecx
        jnz start
        int3`,
  },
];
