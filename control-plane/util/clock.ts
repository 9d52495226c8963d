/**
 * Time and randomness as Domain0 sees them: always through one of these, never from the host directly, so that a
 * deterministic machine can be recorded and replayed and a test can hold time in its hand.
 */

export interface Clock {
  /** Nanoseconds since the machine started. */
  now(): number;
}

export interface Random {
  /** A uniformly distributed unsigned 32-bit number. */
  u32(): number;
}

/** A clock that a test moves. */
export class ManualClock implements Clock {
  #now = 0;

  now(): number {
    return this.#now;
  }

  advance(nanoseconds: number): void {
    this.#now += nanoseconds;
  }
}

/** xorshift32: reproducible numbers for deterministic machines and tests; not for secrets. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 0x9e3779b9;
  }

  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }
}

/** A version 4 UUID. [RFC 4122] 4.4 */
export function randomUuid(random: Random): string {
  const words = [random.u32(), random.u32(), random.u32(), random.u32()];
  words[1] = (words[1]! & 0xffff0fff) | 0x4000;
  words[2] = (words[2]! & 0x3fffffff) | 0x80000000;
  const hex = words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
