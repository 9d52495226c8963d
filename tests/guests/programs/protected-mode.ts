/**
 * Gates, tasks, segment limits and privilege in 32-bit protected mode.
 * Proves [SDM] vol. 3, 5.3 to 5.10 (limits, types, privilege, call gates), 6.11 and 6.12 (gates of the IDT), 7.2 to 7.5
 * (task management), vol. 1, 19.5 (I/O protection).
 */
import { check } from "../support/program.js";
import { protectedProgram, SEL32, user32 } from "../support/protected.js";

const farCall = (selector: number, offset = "0") =>
  `mov dword ptr [far_pointer], ${offset}; mov word ptr [far_pointer + 4], ${selector}; call far fword ptr [far_pointer]`;
const load = (register: string, selector: number) => `mov eax, ${selector}; mov ${register}, eax; `;
const gate = (n: number, selector: number, attributes: number) =>
  `mov ecx, ${n}; mov edx, stubs + ${n} * 16; mov eax, ${selector} << 16 | ${attributes}; call set_gate`;

export const protectedMode = protectedProgram(
  "32-bit protected mode",
  [
    check("UD2", "ud2", "v=6 ip=0 fl=10002"),
    check("INT n", "int 0x30", "v=30 ip=2"),
    check("INT n to data", "int 0x32", "v=d e=10 ip=0 fl=10002"),
    check("INT n through a task gate", "int 0x33", "task=40 link=38 flags=4002 old=2 ts=8 first=8b second=8b ran"),
    check(
      "and once more, where the task left off",
      "int 0x33",
      "task=40 link=38 flags=4002 old=2 ts=8 first=8b second=8b ran",
    ),
    check("INT n of a bad type", "int 0x35", "v=d e=1aa ip=0 fl=10002"),
    check("INT n through an absent gate", "int 0x36", "v=b e=1b2 ip=0 fl=10002"),
    check("INT n beyond the IDT", "int 0x50", "v=d e=282 ip=0 fl=10002"),
    check("INTO", "mov al, 0x7f; inc al; into", "v=4 ip=5"),
    check("INTO without OF", "xor eax, eax; into", "ran"),
    check("BOUND", "push 5; push 1; mov eax, 7; bound eax, [esp]", "v=5 ip=9 fl=10002"),
    check("BOUND within", "push 5; push 1; mov eax, 3; bound eax, [esp]", "ran"),
    check("CPL 3: UD2 switches to ESP0", `${user32(0x202)}ud2`, "v=6 ip=1d cs=23 fl=10202 ss=2b sp=0 stk=1"),
    check("CPL 3: INT n that is allowed", `${user32(0x202)}int 0x30`, "v=30 ip=1f cs=23 fl=202 ss=2b sp=0 stk=1"),
    check("CPL 3: INT n that is not", `${user32(0x202)}int 0x20`, "v=d e=102 ip=1d cs=23 fl=10202 ss=2b sp=0 stk=1"),
    check(
      "CPL 3: INT n through a task gate",
      `${user32(0x202)}int 0x33; ud2`,
      "task=40 link=38 flags=4002 old=1f ts=8 first=8b second=8b v=6 ip=1f cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check("CPL 3: CLI with IOPL 0", `${user32(0x202)}cli`, "v=d ip=1d cs=23 fl=10202 ss=2b sp=0 stk=1"),
    check("CPL 3: CLI with IOPL 3", `${user32(0x3202)}cli; ud2`, "v=6 ip=1e cs=23 fl=13002 ss=2b sp=0 stk=1"),
    check(
      "CPL 3: IN that the bit map allows",
      `${user32(0x202)}in al, 0x80; ud2`,
      "v=6 ip=1f cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check(
      "CPL 3: IN that it does not",
      `${user32(0x202)}in al, 0x81; ud2`,
      "v=d ip=1d cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check(
      "CPL 3: IN beyond the bit map",
      `${user32(0x202)}mov edx, 0x400; in al, dx; ud2`,
      "v=d ip=22 cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check(
      "CPL 3: a word IN across a forbidden port",
      `${user32(0x202)}in ax, 0x7f`,
      "v=d ip=1d cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check(
      "CPL 3: call gate to CPL 0 copies parameters",
      `${user32(0x202)}push 0x22222222; push 0x11111111; ${farCall(SEL32.gate | 3)}; ud2`,
      "gate=8 ss=10 p1=11111111 p2=22222222 oldss=2b v=6 ip=43 cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check(
      "CPL 3: call gate to CPL 1",
      `${user32(0x202)}push 0x22222222; push 0x11111111; ${farCall(SEL32.gateToRing1 | 3)}; ud2`,
      "gate=19 ss=31 p1=11111111 p2=22222222 oldss=2b v=6 ip=43 cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check(
      "CALL through a task gate",
      `${farCall(SEL32.taskGate)}; ud2`,
      "task=40 link=38 flags=4002 old=1c ts=8 first=8b second=8b v=6 ip=1c fl=10002",
    ),
    check(
      "CALL of a TSS",
      `${farCall(SEL32.secondTask)}; ud2`,
      "task=40 link=38 flags=4002 old=1c ts=8 first=8b second=8b v=6 ip=1c fl=10002",
    ),
    check("CALL of the busy TSS", farCall(SEL32.tss), "v=d e=38 ip=15 fl=10002"),
    check("CALL of a TSS that is too short", farCall(SEL32.shortTss), "v=a e=90 ip=15 fl=10002"),
    check(
      "CPL 3: CALL of conforming code stays at CPL 3",
      `${user32(0x202)}${farCall(SEL32.conforming, "8f")}\n8:  ud2`,
      "v=6 ip=39 cs=6b fl=10202 ss=2b sp=fffffff8 stk=1",
    ),
    check(
      "CPL 3: CALL of CPL 0 code",
      `${user32(0x202)}${farCall(SEL32.code)}`,
      "v=d e=8 ip=32 cs=23 fl=10202 ss=2b sp=0 stk=1",
    ),
    check("CALL of data", farCall(SEL32.data), "v=d e=10 ip=15 fl=10002"),
    check("CALL of null", farCall(0), "v=d ip=15 fl=10002"),
    check("CALL beyond the GDT", farCall(0x208), "v=d e=208 ip=15 fl=10002"),
    check("CALL beyond the code segment's limit", farCall(SEL32.code64K, "0x20000"), "v=d ip=15 fl=10002"),
    check("the last byte of a segment", `${load("ds", SEL32.smallData)}mov al, [0x10]`, "ran"),
    check("one byte beyond", `${load("ds", SEL32.smallData)}mov al, [0x11]`, "v=d ip=7 fl=10002"),
    check("a double word across the limit", `${load("ds", SEL32.smallData)}mov eax, [0xe]`, "v=d ip=7 fl=10002"),
    check("an expand-down segment above its limit", `${load("ds", SEL32.expandDown)}mov al, [0x1000000]`, "ran"),
    check("and below", `${load("ds", SEL32.expandDown)}mov al, [0xffffff]`, "v=d ip=7 fl=10002"),
    check(
      "CPL 3: the stack's limit raises #SS",
      `${user32(0x202)}${load("ss", SEL32.smallData | 3)}mov eax, [esp]`,
      "v=c ip=24 cs=23 fl=10202 ss=7b sp=0 stk=1",
    ),
    check("a null segment", `${load("ds", 0)}mov al, [0x1000]`, "v=d ip=7 fl=10002"),
    check("a write through CS", "mov dword ptr cs:[user_stack], 1", "v=d ip=0 fl=10002"),
    check("ES absent", load("es", SEL32.dataAbsent), "v=b e=70 ip=5 fl=10002"),
    check("SS absent", load("ss", SEL32.dataAbsent), "v=c e=70 ip=5 fl=10002"),
    check("RETF to the same level", `push ${SEL32.code}; push 8f; retf\n8:  ud2`, "v=6 ip=8 fl=10002"),
    check(
      "RETF to CPL 3",
      `push ${SEL32.userData}; push user_stack; push ${SEL32.userCode}; push 8f; retf\n8:  ud2`,
      "v=6 ip=f cs=23 fl=10002 ss=2b sp=0 stk=1",
    ),
    check(
      "RETF to CPL 3 with SS of CPL 0",
      `push ${SEL32.data}; push user_stack; push ${SEL32.userCode}; push 8f; retf\n8:  ud2`,
      "v=d e=10 ip=e fl=10002",
    ),
    check(
      "CPL 3: RETF to CPL 0",
      `${user32(2)}push ${SEL32.code}; push 8f; retf\n8:  ud2`,
      "v=d e=8 ip=21 cs=23 fl=10002 ss=2b sp=fffffff8 stk=1",
    ),
    check("IRET to data", `pushfd; push ${SEL32.data}; push 8f; iretd\n8:  ud2`, "v=d e=10 ip=8 fl=10002"),
    check(
      "CPL 3: POPF keeps IOPL, VM and, below IOPL, IF",
      `${user32(0x202)}push 0x247d97; popfd; ud2`,
      "v=6 ip=23 cs=23 fl=254702 ss=2b sp=0 stk=1",
    ),
    check(
      "IRET with NT goes to the linked task, which must be busy",
      `pushfd; or dword ptr [esp], 0x4000; popfd; mov word ptr [tss], ${SEL32.tss}; mov ecx, 1; iretd`,
      "ran",
    ),
    check(
      "a task switch with the debug trap flag",
      `mov byte ptr [tss2 + 100], 1; ${farCall(SEL32.secondTask)}; ud2`,
      "v=1 fl=4002 stk=3 dr6=ffff8ff0 tr=40",
    ),
    check(
      "a task with a bad ES faults in the new task",
      `mov byte ptr [tss2 + 100], 0; mov dword ptr [tss2 + 72], ${SEL32.tss}; ${farCall(SEL32.secondTask)}; ud2`,
      "v=a e=38 fl=14002 stk=3 tr=40",
    ),
    check(
      "ARPL",
      `mov eax, 0x11; mov ecx, 3; arpl ax, cx; setz cl; show "eax"; movzx eax, cl; show "zf"`,
      "eax=13 zf=1 ran",
    ),
    check(
      "ARPL with nothing to raise",
      `mov eax, 0x13; mov ecx, 1; arpl ax, cx; setz cl; show "eax"; movzx eax, cl; show "zf"`,
      "eax=13 zf=0 ran",
    ),
    check("LLDT", `mov eax, ${SEL32.ldt}; lldt ax; sldt eax; show "ldt"`, "ldt=88 ran"),
    check("PUSHA and POPA", `mov ebx, esp; pushad; sub ebx, esp; mov eax, ebx; show "pushed"; popad`, "pushed=20 ran"),
    check(
      "ENTER with levels",
      `push ebp; mov ebx, esp; mov ebp, esp; enter 16, 2; mov eax, ebx; sub eax, esp; show "frame"; leave; pop ebp`,
      "frame=1c ran",
    ),
    check("AAM by zero", ".byte 0xd4, 0", "v=0 ip=0 fl=10002"),
  ],
  `${gate(0x30, SEL32.code, 0xee)}
    ${gate(0x32, SEL32.data, 0xee)}
    ${gate(0x35, SEL32.code, 0xec)}
    mov dword ptr [idt + 0x33 * 8], ${SEL32.secondTask} << 16
    mov dword ptr [idt + 0x33 * 8 + 4], 0xe500
    and byte ptr [idt + 0x36 * 8 + 5], 0x7f
    ${gate(4, SEL32.code, 0xee)}
    mov ecx, 0x3f; mov edx, back_to_ring0; mov eax, ${SEL32.code} << 16 | 0xee; call set_gate`,
);
