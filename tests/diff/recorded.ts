/** Programs like those that once left another state in regions than in the interpreter, by what was wrong. */
import type { Mode } from "./machine.js";
import { DATA, DATA_BYTES } from "./space.js";

export interface Recorded {
  readonly name: string;
  readonly mode: Mode;
  /** Ends at `end`, or by a fault, which goes on there. */
  readonly source: string;
}

export const RECORDED: readonly Recorded[] = [
  {
    name: "a fault of a handler leaves the register alone that it would have written",
    mode: 64,
    source: `
        mov ebx, ${DATA + DATA_BYTES - 16 * 60}
1:      add ecx, 5
        pcmpistri xmm1, xmmword ptr [rbx], 0
        add rbx, 16
        jmp 1b`,
  },
  {
    name: "an access that is near another one lies beyond the segment's limit",
    mode: 32,
    source: `
        mov ebx, -0x80
1:      mov eax, gs:[ebx]
        mov edx, gs:[ebx + 14]
        lea esi, [esi + edx + 1]
        inc ebx
        jmp 1b`,
  },
];
