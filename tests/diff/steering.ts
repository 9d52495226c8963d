/**
 * How random programs steer themselves: loop counters, and where they go on after a fault. 64-bit code has R12 to R15 for
 * that, 32-bit code a page of memory.
 */
import type { Mode } from "./machine.js";
import { Draft, type Item, type Label, type Program } from "./program.js";
import { COUNTERS_AT, GO_ON } from "./space.js";

const GO_ON_REGISTER = 15;
const FIRST_COUNTER = 12;
const NOT_ZERO = 5;
/** Counters of nested loops are 0 and 1; this one counts the program's own rounds. */
const ROUNDS = 2;

const bytes = (...b: number[]): Item => ({ kind: "bytes", bytes: Uint8Array.from(b) });
const little = (value: number): number[] => [0, 8, 16, 24].map((s) => (value >>> s) & 0xff);

/** Code that ends with an address: `plus` behind a label. */
export function absolute(code: readonly number[], to: { label: Label; plus: number }): Item {
  return { kind: "absolute", bytes: Uint8Array.of(...code, 0, 0, 0, 0), at: code.length, to };
}

/** A register becomes the address `plus` behind a label: LEA, or MOV in 32-bit code. */
export function addressOf(mode: Mode, register: number, label: Label, plus = 0): Item {
  const to = { label, plus };
  if (mode === 32) return absolute([0xb8 + register], to);
  const lea = Uint8Array.of(0x48 | ((register >> 3) << 2), 0x8d, ((register & 7) << 3) | 5, 0, 0, 0, 0);
  return { kind: "relative", bytes: lea, at: 3, to };
}

export class Steering {
  constructor(readonly mode: Mode) {}

  /** Counter `n` of three begins at `count`. */
  start(n: number, count: number): Item {
    if (this.mode === 64) return bytes(0x41, 0xb8 + FIRST_COUNTER + n - 8, ...little(count));
    return bytes(0xc7, 0x05, ...little(COUNTERS_AT + 4 * n), ...little(count));
  }

  /** Counts down and goes to `top` until it is zero. */
  again(n: number, top: Label, cc = NOT_ZERO): Item[] {
    return [this.countDown(n), { kind: "branch", opcode: [0x0f, 0x80 + cc], wide: true, to: top }];
  }

  /** DEC, or with `sub` SUB of 1. */
  countDown(n: number, sub = false): Item {
    if (this.mode === 32) {
      const at = little(COUNTERS_AT + 4 * n);
      return sub ? bytes(0x83, 0x2d, ...at, 1) : bytes(0xff, 0x0d, ...at);
    }
    const register = FIRST_COUNTER + n - 8;
    return sub ? bytes(0x49, 0x83, 0xe8 | register, 1) : bytes(0x49, 0xff, 0xc8 | register);
  }

  /** A fault goes on at `label`. */
  goOnAt(label: Label): Item {
    if (this.mode === 64) return addressOf(64, GO_ON_REGISTER, label);
    return absolute([0xc7, 0x05, ...little(GO_ON)], { label, plus: 0 });
  }
}

/** A program in the making that steers itself. */
export class SteeredDraft extends Draft {
  readonly steering: Steering;

  constructor(readonly mode: Mode) {
    super();
    this.steering = new Steering(mode);
  }

  /** The program that does what `body` makes `rounds` times; what `behind` makes is only called. */
  program(rounds: number, body: () => void, behind = (): void => {}): Program {
    const end = this.label();
    this.loop(ROUNDS, rounds, body);
    this.items.push({ kind: "branch", opcode: [0xe9], wide: true, to: end });
    behind();
    this.place(end);
    this.items.push(bytes(0xeb, 0xfe));
    return { items: this.items, end };
  }

  /** What `body` makes, `rounds` times by counter `n`. */
  loop(n: number, rounds: number, body: () => void): void {
    this.items.push(this.steering.start(n, rounds));
    const top = this.here();
    body();
    this.items.push(...this.steering.again(n, top));
  }

  /** What `body` makes; a fault there goes on behind it. */
  segment(body: () => void): void {
    const next = this.label();
    this.items.push(this.steering.goOnAt(next));
    body();
    this.place(next);
  }
}
