// The x86 branch filter (BCJ) of xz [XZ-FORMAT] 5.3.2: turns absolute CALL/JMP targets back into relative ones.
//
// A byte 0xe8 or 0xe9 may be an opcode or an operand byte of the call before it. The encoder decided with a memory of
// which of the three bytes before were opcode-like and left alone; the decoder must keep the very same memory.

/** For each memory: is a conversion still possible? (Two marks that overlap say no.) */
const CONVERTIBLE = [true, true, true, false, true, false, false, false];
/** For each memory: the operand byte (counted from the top) that an earlier opcode's sign byte coincides with. */
const SHARED_BYTE = [0, 1, 2, 2, 3, 3, 3, 3];

const OPERAND_BYTES = 4;

function isSignByte(byte: number): boolean {
  return byte === 0 || byte === 0xff;
}

/** Relative operand for an absolute one at instruction end `next`, resolving operands that overlap an older opcode. */
function relativeOperand(absolute: number, next: number, memory: number): number {
  let value = (absolute - next) | 0;
  if (memory !== 0) {
    const shift = 24 - SHARED_BYTE[memory]! * 8;
    const flip = (1 << (shift + 8)) - 1;
    // Once is enough: this leaves the complement of the absolute byte, which is known not to be a sign byte.
    if (isSignByte((value >>> shift) & 255)) value = ((value ^ flip) - next) | 0;
  }
  // The operand is 25 bits, sign extended.
  return (value << 7) >> 7;
}

/** Undoes the filter over a whole block, in place; `startOffset` is the filter's own property. */
export function decodeBcjX86(block: Uint8Array, startOffset: number): void {
  const end = block.length - OPERAND_BYTES;
  let memory = 0;
  let lastOpcode = -1;
  for (let i = 0; i < end; i++) {
    if ((block[i]! & 0xfe) !== 0xe8) continue;
    const gap = i - lastOpcode;
    lastOpcode = i;
    memory = gap > 3 ? 0 : (memory << (gap - 1)) & 7;
    const blocked =
      memory !== 0 && (!CONVERTIBLE[memory]! || isSignByte(block[i + OPERAND_BYTES - SHARED_BYTE[memory]!]!));
    if (blocked || !isSignByte(block[i + 4]!)) {
      memory = (memory << 1) | 1;
      continue;
    }
    const absolute = block[i + 1]! | (block[i + 2]! << 8) | (block[i + 3]! << 16) | (block[i + 4]! << 24);
    const relative = relativeOperand(absolute, (startOffset + i + 5) | 0, memory);
    block[i + 1] = relative;
    block[i + 2] = relative >> 8;
    block[i + 3] = relative >> 16;
    block[i + 4] = relative >> 24;
    i += OPERAND_BYTES;
  }
}
