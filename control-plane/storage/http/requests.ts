/** Ranges of one file of a web server: tries again what may succeed later, and notices when the file is another one. */

import { Asker, unlessGone } from "../asker.js";
import { StorageError } from "../errors.js";
import { allowNext, exposeNext, foreignPage, isMixed, ownOrigin } from "./origins.js";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpOptions {
  readonly fetch?: Fetch;
  /** Waits between tries, no longer than the asker is there. */
  readonly sleep?: (ms: number, asker: Asker) => Promise<void>;
  /** Tries of each request; five unless told. */
  readonly tries?: number;
  readonly timeoutMs?: number;
  /** Origin of the page that asks; null for programs that are none. The page's own unless told. */
  readonly page?: string | null;
}

/** What tells one version of the file from another; both may be hidden from a page of another origin. */
export interface Version {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

export interface Described extends Version {
  readonly size: number;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
const TIMEOUT_MS = 60_000;
/** A server may be told to come back later than anybody wants to wait. */
const WORTH_WAITING = new Set([408, 425, 429, 500, 502, 503, 504]);

const defaultSleep = (ms: number, asker: Asker): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      stay();
      resolve();
    }, ms);
    const stay = asker.onLeave(() => {
      clearTimeout(timer);
      resolve();
    });
  });

/** A failure that another try may not have. */
class Transient extends Error {
  constructor(
    message: string,
    readonly waitMs: number | null = null,
  ) {
    super(message);
  }
}

export class HttpRequests {
  readonly #fetch: Fetch;
  readonly #sleep: NonNullable<HttpOptions["sleep"]>;
  /** All who have the file open. */
  readonly #users = new Asker();
  readonly #closed = new AbortController();
  readonly #tries: number;
  readonly #timeoutMs: number;
  /** The page's origin, when the server is of another. */
  readonly #foreign: string | null;

  constructor(
    readonly url: string,
    options: HttpOptions = {},
  ) {
    this.#fetch = options.fetch ?? ((address, init) => fetch(address, init));
    this.#sleep = options.sleep ?? defaultSleep;
    this.#tries = options.tries ?? 5;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#foreign = foreignPage(url, options.page === undefined ? ownOrigin() : options.page);
  }

  /** Size and version of the file. */
  describe(): Promise<Described> {
    return this.#persist("size of the file", async () => {
      const head = await this.#send({ method: "HEAD" });
      await letGo(head);
      if (WORTH_WAITING.has(head.status)) throw this.#refusal(head);
      // Not every server, and not every signed address, answers HEAD.
      const size = head.ok ? numberOf(head.headers.get("content-length")) : null;
      if (size !== null && head.headers.get("content-encoding") === null) return { size, ...versionOf(head) };
      const first = await this.#send({ method: "GET", headers: { range: "bytes=0-0" } });
      await letGo(first);
      if (!first.ok) throw this.#refusal(first);
      const total = first.status === 206 ? totalOf(first) : numberOf(first.headers.get("content-length"));
      if (total === null) throw this.#noSize();
      return { size: total, ...versionOf(first) };
    });
  }

  /** The bytes `[at, at + length)` of a file of this version. */
  range(at: number, length: number, expected: Described): Promise<Uint8Array> {
    return this.#persist(`bytes ${at} to ${at + length}`, async () => {
      const response = await this.#send({ method: "GET", headers: { range: `bytes=${at}-${at + length - 1}` } });
      if (!response.ok) {
        await letGo(response);
        throw this.#refusal(response);
      }
      if (isOther(versionOf(response), expected)) {
        await letGo(response);
        const details = { found: tag(versionOf(response)), expected: tag(expected) };
        throw this.#fault("source-changed", "the file on the server is another one by now", details);
      }
      const isWhole = response.status === 200 && at === 0 && length === expected.size;
      if (response.status !== 206 && !isWhole) {
        await letGo(response);
        const next = "use a server that has them, or copy the file here";
        throw this.#fault("network", "the server has no byte ranges", { found: `status ${response.status}`, next });
      }
      await this.#checkRange(response, at, expected);
      return this.#bodyOf(response, length);
    });
  }

  /** Servers and caches may answer with another part than was asked for, and say so. [RFC 9110] 15.3.7 */
  async #checkRange(response: Response, at: number, { size }: Described): Promise<void> {
    const found = response.headers.get("content-range");
    // Not sent with a whole file, and hidden from pages of other origins that are not shown it.
    if (response.status !== 206 || found === null) return;
    const total = totalOf(response);
    const isThere = Number(/^bytes (\d{1,15})-/.exec(found)?.[1] ?? Number.NaN) === at;
    if (isThere && (total === null || total === size)) return;
    await letGo(response);
    const details = { found, expected: `bytes ${at}-.../${size}` };
    if (isThere) throw this.#fault("source-changed", "the file on the server has another size by now", details);
    throw this.#fault("network", "the server answers with another range", details);
  }

  async #bodyOf(response: Response, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let done = 0;
    const reader = response.body?.getReader();
    while (reader !== undefined) {
      const { done: isOver, value } = await reader.read();
      if (isOver) break;
      if (done + value.length > length) {
        // How much more nobody knows: the rest is not waited for.
        await reader.cancel().catch(() => {});
        const details = { found: `more than ${length} bytes`, expected: `${length}` };
        throw this.#fault("network", "the server sends more than the range", details);
      }
      bytes.set(value, done);
      done += value.length;
    }
    if (done === length) return bytes;
    throw new Transient(`the connection ended after ${done} of ${length} bytes`);
  }

  /** Ends what is under way, with `closed`, and asks for nothing more. */
  close(): void {
    this.#users.leave();
    this.#closed.abort();
  }

  async #send(init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(this.url, { ...init, cache: "no-store", signal: this.#limit() });
    } catch (error) {
      if (this.#foreign !== null && error instanceof TypeError) await this.#refuseForeign(this.#foreign);
      throw new Transient(error instanceof Error ? error.message : String(error));
    }
  }

  /** Throws when it is certain that the browser keeps the answer from the page: trying again would not help. */
  async #refuseForeign(page: string): Promise<void> {
    if (isMixed(this.url, page)) {
      const next = "use an https:// address, or import the image";
      throw this.#fault("network", "a page that came by https:// cannot read from http:// addresses", { next });
    }
    // An answer that nobody may look at says that there is one. In isolated pages there may be none even so.
    const init: RequestInit = { method: "HEAD", mode: "no-cors", cache: "no-store" };
    const isThere = await this.#fetch(this.url, { ...init, signal: this.#limit() }).then(
      () => true,
      () => false,
    );
    if (!isThere) return;
    throw this.#fault("network", `the server does not let pages of ${page} read this (CORS)`, {
      next: allowNext(page),
    });
  }

  /** When an answer is waited for no longer. */
  #limit(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(this.#timeoutMs), this.#closed.signal]);
  }

  #noSize(): StorageError {
    if (this.#foreign === null) return this.#fault("network", "the server does not tell the size of the file");
    const what = `the server does not let pages of ${this.#foreign} see the size of the file (CORS)`;
    return this.#fault("network", what, { next: exposeNext() });
  }

  async #persist<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await unlessGone(work(), this.#users);
      } catch (error) {
        if (error instanceof StorageError) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        if (attempt >= this.#tries) {
          const check = "check the connection and the address";
          const next = this.#foreign === null ? check : `${check}, and ${allowNext(this.#foreign)}`;
          throw this.#fault("network", `${what} cannot be read, tried ${attempt} times: ${reason}`, { next });
        }
        const told = error instanceof Transient ? error.waitMs : null;
        await this.#sleep(Math.min(told ?? FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS), this.#users);
      }
    }
  }

  #refusal(response: Response): Error {
    const { status, statusText } = response;
    const told = numberOf(response.headers.get("retry-after"));
    const text = `the server answers ${status} ${statusText}`.trim();
    if (WORTH_WAITING.has(status)) return new Transient(text, told === null ? null : told * 1000);
    if (status === 404 || status === 410) return this.#fault("not-found", text);
    if (status === 412 || status === 416) return this.#fault("source-changed", text);
    return this.#fault("network", text);
  }

  #fault(code: "network" | "not-found" | "source-changed", what: string, details: object = {}): StorageError {
    return new StorageError(code, what, { file: this.url, ...details });
  }
}

/** Ends an answer whose rest nobody reads: until then it would keep its connection. */
const letGo = (response: Response): Promise<void> => response.body?.cancel().catch(() => {}) ?? Promise.resolve();

const numberOf = (text: string | null): number | null =>
  text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;

/** The size in `Content-Range: bytes 0-0/1234`; null when it is not there or hidden. */
function totalOf(response: Response): number | null {
  return numberOf(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1] ?? null);
}

const versionOf = ({ headers }: Response): Version => ({
  etag: headers.get("etag"),
  lastModified: headers.get("last-modified"),
});

/** Whether two answers are certainly of different files. */
function isOther(found: Version, expected: Version): boolean {
  if (found.etag !== null && expected.etag !== null) return found.etag !== expected.etag;
  return found.lastModified !== null && expected.lastModified !== null && found.lastModified !== expected.lastModified;
}

const tag = ({ etag, lastModified }: Version): string => etag ?? lastModified ?? "no version";
