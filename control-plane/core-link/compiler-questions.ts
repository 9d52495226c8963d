/** What Domain0 asks the region compiler, which sleeps in its own thread on a word of shared memory. */
import type { RegionAnswer, RegionQuestion, RegionSubject } from "../../wasm-core/worker/index.js";

/** Between two rings while there is no answer: one may fall between the compiler's last look and its sleep. */
const RING_MS = 20;
/** A compiler that is silent for so long is gone. */
const LIMIT_MS = 10_000;

/** The answer, unless it is that there is none. */
export function checked(answer: RegionAnswer): RegionAnswer {
  if (answer.error !== undefined) throw new Error(`the region compiler failed on the question: ${answer.error}`);
  return answer;
}

export class CompilerQuestions {
  readonly #waiting = new Map<number, (answer: RegionAnswer) => void>();
  #next = 1;

  /** @param ring wakes the compiler */
  constructor(
    private readonly port: MessagePort,
    private readonly ring: () => void,
  ) {
    port.onmessage = ({ data }: MessageEvent<RegionAnswer>) => this.#waiting.get(data.id)?.(data);
  }

  /** Rejects when the compiler fails on the question or is gone. */
  async list(): Promise<NonNullable<RegionAnswer["list"]>> {
    return checked(await this.#ask({ about: "regions" })).list ?? [];
  }

  /** Ways out of regions, which are then counted anew if `clear`; rejects as `list` does. */
  async exits(clear: boolean): Promise<NonNullable<RegionAnswer["exits"]>> {
    return checked(await this.#ask({ about: "exits", clear })).exits ?? [];
  }

  /** Undefined when there is no such region; rejects as `list` does. */
  async describe(region: number, wasm: boolean): Promise<string | undefined> {
    return checked(await this.#ask({ about: "region", region, wasm })).text;
  }

  close(): void {
    this.port.close();
  }

  #ask(what: RegionSubject): Promise<RegionAnswer> {
    const question: RegionQuestion = { id: this.#next++, ...what };
    return new Promise((resolve, reject) => {
      const ringing = setInterval(this.ring, RING_MS);
      const done = (): void => {
        clearInterval(ringing);
        clearTimeout(limit);
        this.#waiting.delete(question.id);
      };
      const limit = setTimeout(() => {
        done();
        reject(new Error("the region compiler does not answer"));
      }, LIMIT_MS);
      this.#waiting.set(question.id, (answer) => {
        done();
        resolve(answer);
      });
      this.port.postMessage(question);
      this.ring();
    });
  }
}
