/**
 * A bounded log of text lines: what `xl dmesg` shows of Domain0's own side. Lines that guests can cause carry a key and
 * are rate-limited by it, so that a hostile guest cannot wash the log out.
 */
import type { Clock } from "./clock.js";

const RATE_WINDOW_NS = 1e9;
const RATE_BURST = 10;
/** Of a line that a guest caused, which may repeat what the guest wrote somewhere. */
const LINE_MOST = 1024;
/** What would begin another line, or tell a terminal something. */
const CONTROLS = /\p{Cc}|[\u2028\u2029]/gu;
/** Characters of a guest's own text that get through at once, and per second after that: a kernel's boot and then some. */
const TEXT_BURST = 32 * 1024;
const TEXT_PER_SECOND = 1024;

interface Rate {
  windowStart: number;
  count: number;
}

interface Allowance {
  characters: number;
  at: number;
  dropped: number;
}

export class LogRing {
  readonly #lines: string[] = [];
  readonly #rates = new Map<string, Rate>();
  readonly #allowances = new Map<string, Allowance>();
  #characters = 0;

  constructor(
    private readonly clock: Clock,
    private readonly capacity = 256 * 1024,
  ) {}

  /** Adds a line with its time. */
  write(line: string): void {
    const seconds = (this.clock.now() / 1e9).toFixed(6).padStart(12);
    this.#push(`[${seconds}] ${line}`);
  }

  /** Adds a line that a guest caused; at most a handful a second per `key` get through. */
  writeLimited(key: string, line: string): void {
    const now = this.clock.now();
    const rate = this.#rates.get(key) ?? { windowStart: now, count: 0 };
    if (now - rate.windowStart >= RATE_WINDOW_NS) {
      if (rate.count > RATE_BURST) this.write(`${key}: ${rate.count - RATE_BURST} more such lines`);
      rate.windowStart = now;
      rate.count = 0;
    }
    rate.count++;
    this.#rates.set(key, rate);
    if (rate.count <= RATE_BURST) this.write(`${key}: ${line.slice(0, LINE_MOST).replace(CONTROLS, "?")}`);
  }

  /** Adds a line of a guest's own text behind `prefix`, while the guest keeps to its allowance. */
  writeText(prefix: string, line: string): void {
    if (line === "") return;
    const now = this.clock.now();
    const allowance = this.#allowances.get(prefix) ?? { characters: TEXT_BURST, at: now, dropped: 0 };
    const gained = ((now - allowance.at) / 1e9) * TEXT_PER_SECOND;
    allowance.characters = Math.min(TEXT_BURST, allowance.characters + gained);
    allowance.at = now;
    this.#allowances.set(prefix, allowance);
    if (allowance.characters < line.length) {
      allowance.dropped++;
      return;
    }
    if (allowance.dropped > 0) this.#push(`${prefix} ... ${allowance.dropped} lines left out`);
    allowance.dropped = 0;
    allowance.characters -= line.length;
    this.#push(`${prefix} ${line}`);
  }

  text(): string {
    return this.#lines.map((line) => `${line}\n`).join("");
  }

  clear(): void {
    this.#lines.length = 0;
    this.#characters = 0;
  }

  #push(line: string): void {
    this.#lines.push(line);
    this.#characters += line.length + 1;
    while (this.#characters > this.capacity && this.#lines.length > 1) {
      this.#characters -= this.#lines.shift()!.length + 1;
    }
  }
}
