/**
 * Shutdown: an exception on the way to the handler of a double fault stops the processor; a handler that can be reached
 * prevents it. The last check of each program ends there.
 * Proves [SDM] vol. 3, 6.15 "Interrupt 8" (double fault, shutdown), 6.13 (error code of a vector beyond the IDT's limit;
 * QEMU 7.2 gives the offset of the gate instead), 6.14.5 (a stack of the IST at the same level leaves SS; QEMU 7.2 clears
 * it).
 */
import { longProgram } from "../support/long.js";
import { type Check, check, type GuestProgram } from "../support/program.js";
import { protectedProgram } from "../support/protected.js";

const absent = (vector: number): string => `and byte ptr [idt + ${vector}*16 + 5], 0x7f`;
const handled = "mov eax, [0x40000000]";
/** What is printed by a check that ends the machine. */
const last = (name: string, code: string): Check => check(name, `mov eax, 1; show "before"; ${code}`, "before=1");
const ends = (program: GuestProgram): GuestProgram => ({ ...program, crash: "TRIPLE_FAULT" });

export const absentGates = ends(
  longProgram("triple fault: gates absent", [
    check("with a handler for #DF it runs", `${absent(14)}; ${handled}`, "v=8 ip=8"),
    last("without one the processor shuts down", `${absent(8)}; ${handled}`),
  ]),
);

export const unmappedStack = ends(
  longProgram(
    "triple fault: no stack",
    [
      check("a stack of its own lets #DF run", `mov rsp, 0x40001000; ${handled}`, "v=8 ip=7 stk=1"),
      last("no stack for #DF either", `mov byte ptr [idt + 8*16 + 4], 0; mov rsp, 0x40001000; ${handled}`),
    ],
    { prepare: "    mov byte ptr [idt + 8*16 + 4], 1" },
  ),
);

export const emptyTable = ends(
  longProgram(
    "triple fault: empty IDT",
    [
      check("a vector beyond the limit is #GP", "int 0x50", "v=d e=282 ip=0 fl=10002"),
      last("no vector within the limit", "lidt [no_idt]; int3"),
    ],
    { data: "no_idt: .word 0\n    .quad 0" },
  ),
);

export const legacyTable = ends(
  protectedProgram(
    "triple fault: empty IDT in 32-bit mode",
    [last("no vector within the limit", "lidt [no_idt]; ud2")],
    "",
    ".align 8\nno_idt: .skip 8",
  ),
);
