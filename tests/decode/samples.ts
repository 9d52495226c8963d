/** Random instruction bytes: prefixes often, every opcode map, ModRM bytes of every kind. */
import type { Random } from "../support/random.js";
import { SAMPLE_BYTES } from "./objdump.js";

const LEGACY = [0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65];
const LOCK = 0xf0;

function opcode(rng: Random): number[] {
  const kind = rng.below(20);
  if (kind < 7) return [rng.below(256)];
  if (kind < 14) return [0x0f, rng.below(256)];
  if (kind < 16) return [0x0f, 0x38, rng.below(256)];
  if (kind < 18) return [0x0f, 0x3a, rng.below(256)];
  if (kind < 19) return [0xc5, rng.below(256), rng.below(256)];
  return [0xc4, rng.below(256) & ~0x1c & 0xff, rng.below(256), rng.below(256)];
}

/** One sample for a mode. */
export function sampleBytes(rng: Random, mode: 16 | 32 | 64): Uint8Array {
  const out: number[] = [];
  for (let n = rng.pick([0, 0, 0, 1, 1, 2, 3]); n > 0; n--) out.push(rng.once(12) ? LOCK : rng.pick(LEGACY));
  if (mode === 64 && rng.once(3)) out.push(0x40 | rng.below(16));
  out.push(...opcode(rng));
  while (out.length < SAMPLE_BYTES) out.push(rng.below(256));
  return Uint8Array.from(out.slice(0, SAMPLE_BYTES));
}
