/**
 * PCLMULQDQ: carry-less multiplication of two quadwords. [SDM] vol. 2, PCLMULQDQ.
 *
 * The host has only carrying multiplication. Operands are split into four with every fourth bit kept: at most fifteen
 * terms meet in one bit of a partial product (sixteen in the topmost, where the carry falls off), so carries stay within
 * the three-bit holes, which are masked off. The upper half is the product of the bit-reversed operands, reversed.
 */
import { Vcpu } from "../gen/layout";

const EVERY_FOURTH: u64 = 0x1111111111111111;

/** Low 64 bits of the carry-less product. */
function lowProduct(a: u64, b: u64): u64 {
  const a0 = a & EVERY_FOURTH;
  const a1 = a & (EVERY_FOURTH << 1);
  const a2 = a & (EVERY_FOURTH << 2);
  const a3 = a & (EVERY_FOURTH << 3);
  const b0 = b & EVERY_FOURTH;
  const b1 = b & (EVERY_FOURTH << 1);
  const b2 = b & (EVERY_FOURTH << 2);
  const b3 = b & (EVERY_FOURTH << 3);
  const r0 = (a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1);
  const r1 = (a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2);
  const r2 = (a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3);
  const r3 = (a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0);
  return (r0 & EVERY_FOURTH) | (r1 & (EVERY_FOURTH << 1)) | (r2 & (EVERY_FOURTH << 2)) | (r3 & (EVERY_FOURTH << 3));
}

function reverseBits(v: u64): u64 {
  v = ((v >> 1) & 0x5555555555555555) | ((v & 0x5555555555555555) << 1);
  v = ((v >> 2) & 0x3333333333333333) | ((v & 0x3333333333333333) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0f) | ((v & 0x0f0f0f0f0f0f0f0f) << 4);
  return bswap<u64>(v);
}

/** Bit 0 of imm selects the quadword of the destination, bit 4 that of the source. */
export function pclmulqdq(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const a = load<u64>(d + ((imm & 1) << 3));
  const b = load<u64>(s + ((imm & 0x10) >> 1));
  const high = reverseBits(lowProduct(reverseBits(a), reverseBits(b))) >> 1;
  store<u64>(d, lowProduct(a, b));
  store<u64>(d, high, 8);
}
