/**
 * A bounded log of text lines: what `xl dmesg` shows of Domain0's own side. Lines that guests can cause carry a key and
 * are rate-limited by it, so that a hostile guest cannot wash the log out.
 */
import type { Clock } from "./clock.js";

const RATE_WINDOW_NS = 1e9;
const RATE_BURST = 10;

interface Rate {
  windowStart: number;
  count: number;
}

export class LogRing {
  readonly #lines: string[] = [];
  readonly #rates = new Map<string, Rate>();
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
    if (rate.count <= RATE_BURST) this.write(`${key}: ${line}`);
  }

  /** Adds text that is already whole lines, as the hypervisor's console gives it. */
  writeRaw(text: string): void {
    for (const line of text.split("\n")) if (line !== "") this.#push(line);
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
