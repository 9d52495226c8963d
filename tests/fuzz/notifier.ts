/** A guest that rings both of its channels to Domain0, xenstore's and the console's, for ever, and touches nothing else. */
import { Assembler, pvhElf } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";

const ORIGIN = 0x100000;

const SOURCE = `
.code32
entry:
  mov esp, stack_top
  mov edi, 2
  call param
  mov [store], eax
  mov edi, 18
  call param
  mov [console], eax
1: mov ecx, store
  call send
  mov ecx, console
  call send
  jmp 1b

param: # HVM param EDI
  mov dword ptr [query], 0x7ff0
  mov [query + 4], edi
  mov eax, 34
  mov ebx, 1
  mov ecx, query
  vmcall
  mov eax, [query + 8]
  ret

send: # on the port at ECX, and gives the rest of its time away if it is polite
  mov eax, 32
  mov ebx, 4
  vmcall
  mov eax, POLITE
  test eax, eax
  jz 1f
  mov eax, 29
  mov ebx, 0
  vmcall
1: ret

store: .long 0
console: .long 0
query: .quad 0, 0
.skip 256
stack_top: .quad 0
`;

/** A polite one yields after each ring, so that little time passes while it runs. */
export async function notifierKernel(polite = true): Promise<Uint8Array> {
  const define = { POLITE: polite ? 1 : 0 };
  const image = new Assembler(await loadTable()).assemble(SOURCE, { origin: ORIGIN, define });
  return pvhElf(image, Number(image.symbols.get("entry")));
}
