/**
 * Names through Node's resolvers. c-ares first: it says how long an answer is good, and waits on no thread. The
 * system's own (getaddrinfo) knows what the host knows besides (its hosts file, names of the local network), but a
 * silent name server holds one of the few threads that disks need too, so that only one such question runs at a time, and
 * the next ones wait for it as long as guests do. It is for the addresses of both families, which resolvers ask for at
 * once, and which say whether the name is there.
 */
import * as dns from "node:dns";
import type { Resolution } from "./outside.js";

const TRY_MS = 2000;
const TRIES = 2;
/** Of an answer that does not say. */
const SYSTEM_TTL_SECONDS = 60;
/** How long a question for the system waits for its turn: less than a guest waits for its answer. */
const PATIENCE_MS = 4000;
const MOST_WAITING = 128;
const FAILED: Resolution = { kind: "failed" };
const NONE: Resolution = { kind: "none" };
const NO_NAME: Resolution = { kind: "no-such-name" };

/** Codes that say that there is an answer, and what it is. */
const ANSWERS: Readonly<Record<string, Resolution>> = {
  ENODATA: NONE,
  ENOTFOUND: NO_NAME,
  EBADNAME: NO_NAME,
  // By `close`: nobody is to be asked any more.
  ECANCELLED: FAILED,
};

/** Names that no server of the Internet knows: RFC 6761, RFC 6762, RFC 8375, and short ones. */
const LOCAL = /^[^.]+$|\.(localhost|local|lan|internal|localdomain|home\.arpa)$/;

type Found = readonly dns.LookupAddress[] | Resolution;

/** A name that the system is asked for, or will be when it has its turn. */
class Question {
  answer!: (found: Found) => void;
  readonly found = new Promise<Found>((resolve) => {
    this.answer = resolve;
  });
  patience: NodeJS.Timeout | undefined;
}

export class NodeNames {
  readonly #resolver = new dns.promises.Resolver({ timeout: TRY_MS, tries: TRIES });
  /** In the order of their turns, by name; the first one is being asked. */
  readonly #questions = new Map<string, Question>();

  /** `servers` other than the host's: "192.0.2.1:53". */
  constructor(servers?: readonly string[]) {
    if (servers !== undefined) this.#resolver.setServers(servers);
  }

  async resolve(name: string, family: 4 | 6): Promise<Resolution> {
    if (LOCAL.test(name)) return await this.#askSystem(name, family);
    try {
      const resolver = this.#resolver;
      const wanted = { ttl: true } as const;
      const records = await (family === 4 ? resolver.resolve4(name, wanted) : resolver.resolve6(name, wanted));
      if (records.length === 0) return NONE;
      const ttlSeconds = records.reduce((least, record) => Math.min(least, record.ttl), Number.POSITIVE_INFINITY);
      return { kind: "addresses", addresses: records.map((record) => record.address), ttlSeconds };
    } catch (error) {
      return ANSWERS[(error as NodeJS.ErrnoException).code ?? ""] ?? (await this.#askSystem(name, family));
    }
  }

  async reverse(address: string): Promise<string | null> {
    try {
      return (await this.#resolver.reverse(address))[0] ?? null;
    } catch {
      return null;
    }
  }

  close(): void {
    this.#resolver.cancel();
    const [, ...waiting] = this.#questions.keys();
    for (const name of waiting) this.#answer(name, FAILED);
  }

  async #askSystem(name: string, family: 4 | 6): Promise<Resolution> {
    const question = this.#questions.get(name) ?? this.#ask(name);
    if (question === null) return FAILED;
    const found = await question.found;
    if ("kind" in found) return found;
    const addresses = found.filter((one) => one.family === family).map((one) => one.address.replace(/%.*$/, ""));
    return addresses.length === 0 ? NONE : { kind: "addresses", addresses, ttlSeconds: SYSTEM_TTL_SECONDS };
  }

  #ask(name: string): Question | null {
    if (this.#questions.size > MOST_WAITING) return null;
    const question = new Question();
    this.#questions.set(name, question);
    if (this.#questions.size === 1) void this.#askAll();
    else question.patience = setTimeout(() => this.#answer(name, FAILED), PATIENCE_MS);
    return question;
  }

  /** One after the other, with those that come meanwhile. */
  async #askAll(): Promise<void> {
    for (const [name, { patience }] of this.#questions) {
      clearTimeout(patience);
      this.#answer(name, await lookUp(name));
    }
  }

  #answer(name: string, found: Found): void {
    const question = this.#questions.get(name)!;
    clearTimeout(question.patience);
    this.#questions.delete(name);
    question.answer(found);
  }
}

async function lookUp(name: string): Promise<Found> {
  try {
    return await dns.promises.lookup(name, { all: true });
  } catch (error) {
    return ANSWERS[(error as NodeJS.ErrnoException).code ?? ""] ?? FAILED;
  }
}
