/**
 * The name server of the network: addresses and names of addresses as the host knows them, by `Outside`. Nothing of a
 * server's answer gets through but addresses, names and a bounded time to live; one that is silent costs a guest
 * SERVFAIL after a while and everybody else nothing.
 *
 * What cannot be asked for through the host's resolver is answered honestly: NOTIMP. HTTPS and SVCB records are hints
 * that nobody must have, so that they are said not to be there.
 */
import type { Clock } from "../../util/index.js";
import { formatIp, parseIp } from "../addresses.js";
import type { Outside, Resolution } from "../outside/index.js";
import {
  addressOfReverseName,
  type DnsAnswer,
  type DnsQuery,
  MOST_TCP_BYTES,
  nameRecord,
  RecordType,
  ResponseCode,
  readQuery,
  writeResponse,
} from "./codec/dns.js";
import type { NatLimits } from "./limits.js";
import { isInside } from "./network.js";

const TIMEOUT_MS = 8000;
const MOST_TTL_SECONDS = 3600;
const NEGATIVE_TTL_SECONDS = 30;
const REVERSE_TTL_SECONDS = 300;
const MOST_RECORDS = 256;
const NO_RECORDS: readonly Uint8Array[] = [];

const failure = (code: number): DnsAnswer => ({ code, records: NO_RECORDS, ttlSeconds: 0 });
const empty = (code: number): DnsAnswer => ({ code, records: NO_RECORDS, ttlSeconds: NEGATIVE_TTL_SECONDS });

/** Who pays for a lookup. */
export interface Asker {
  lookups: number;
}

interface Waiter {
  readonly asker: Asker;
  readonly done: (answer: DnsAnswer) => void;
}

interface Lookup {
  readonly waiters: Waiter[];
  isOver: boolean;
}

export interface DnsParts {
  readonly clock: Clock;
  timer(ms: number, work: () => void): () => void;
  readonly outside: Outside;
  readonly limits: NatLimits;
}

export class DnsForwarder {
  readonly #cache = new Map<string, { readonly answer: DnsAnswer; readonly untilNs: number }>();
  readonly #lookups = new Map<string, Lookup>();
  /** Promises of the outside that are not settled: one that never is still takes its place. */
  #unsettled = 0;
  readonly #timers = new Set<() => void>();
  readonly counters = { queries: 0, cached: 0, refused: 0, timeouts: 0 };

  constructor(private readonly parts: DnsParts) {}

  get lookups(): number {
    return this.#unsettled;
  }

  get cached(): number {
    return this.#cache.size;
  }

  /** Answers a query by `reply`, now or later, once. False: it is none, and there is no answer. */
  ask(bytes: Uint8Array, isTcp: boolean, asker: Asker, reply: (response: Uint8Array) => void): boolean {
    const query = readQuery(bytes);
    if (query === null) return false;
    this.counters.queries++;
    this.#answer(query, asker, (answer) =>
      reply(writeResponse(query, answer, isTcp ? MOST_TCP_BYTES : query.udpBytes)),
    );
    return true;
  }

  close(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#lookups.clear();
    this.#cache.clear();
  }

  #answer(query: DnsQuery, asker: Asker, done: (answer: DnsAnswer) => void): void {
    if (query.code !== ResponseCode.OK) {
      done(failure(query.code));
      return;
    }
    const { name, type } = query;
    const isLookup = type === RecordType.A || type === RecordType.AAAA || type === RecordType.PTR;
    if (!isLookup) {
      done(isHint(type) ? empty(ResponseCode.OK) : failure(ResponseCode.NOT_IMPLEMENTED));
      return;
    }
    // The host's resolver takes texts: what is no host's name is not let near it.
    if (!/^([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/.test(name) || isOwn(query)) {
      done(empty(ResponseCode.NO_NAME));
      return;
    }
    const key = `${type} ${name}`;
    const known = this.#remembered(key);
    if (known !== null) {
      done(known);
      return;
    }
    this.#lookUp(key, query, { asker, done });
  }

  #remembered(key: string): DnsAnswer | null {
    const entry = this.#cache.get(key);
    if (entry === undefined) return null;
    const leftSeconds = Math.ceil((entry.untilNs - this.parts.clock.now()) / 1e9);
    if (leftSeconds <= 0) {
      this.#cache.delete(key);
      return null;
    }
    this.counters.cached++;
    return { ...entry.answer, ttlSeconds: leftSeconds };
  }

  #lookUp(key: string, query: DnsQuery, waiter: Waiter): void {
    const { limits, timer } = this.parts;
    const running = this.#lookups.get(key);
    const isFull =
      running === undefined ? this.#unsettled >= limits.lookups : running.waiters.length >= limits.waitersPerLookup;
    if (isFull || waiter.asker.lookups >= limits.lookupsPerGuest) {
      this.counters.refused++;
      waiter.done(failure(ResponseCode.SERVER));
      return;
    }
    waiter.asker.lookups++;
    if (running !== undefined) {
      running.waiters.push(waiter);
      return;
    }
    const lookup: Lookup = { waiters: [waiter], isOver: false };
    this.#lookups.set(key, lookup);
    this.#unsettled++;
    const cancel = timer(TIMEOUT_MS, () => {
      this.counters.timeouts++;
      this.#finish(key, lookup, failure(ResponseCode.SERVER), cancel);
    });
    this.#timers.add(cancel);
    const settled = (answer: DnsAnswer): void => {
      this.#unsettled--;
      this.#finish(key, lookup, answer, cancel);
    };
    this.#resolve(query).then(settled, () => settled(failure(ResponseCode.SERVER)));
  }

  #finish(key: string, lookup: Lookup, answer: DnsAnswer, cancel: () => void): void {
    if (lookup.isOver) return;
    lookup.isOver = true;
    cancel();
    this.#timers.delete(cancel);
    if (this.#lookups.get(key) === lookup) this.#lookups.delete(key);
    if (answer.ttlSeconds > 0) this.#remember(key, answer);
    for (const { asker, done } of lookup.waiters) {
      asker.lookups--;
      done(answer);
    }
  }

  #remember(key: string, answer: DnsAnswer): void {
    if (this.#cache.size >= this.parts.limits.cachedNames) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    this.#cache.set(key, { answer, untilNs: this.parts.clock.now() + answer.ttlSeconds * 1e9 });
  }

  async #resolve(query: DnsQuery): Promise<DnsAnswer> {
    const { outside } = this.parts;
    if (query.type !== RecordType.PTR) {
      const family = query.type === RecordType.A ? 4 : 6;
      return addressAnswer(await outside.resolve(query.name, family), family);
    }
    const address = addressOfReverseName(query.name);
    const name = address === null ? null : await outside.reverse(formatIp(address));
    const record = name === null ? null : nameRecord(name);
    if (record === null) return empty(ResponseCode.NO_NAME);
    return { code: ResponseCode.OK, records: [record], ttlSeconds: REVERSE_TTL_SECONDS };
  }
}

function addressAnswer(resolution: Resolution, family: 4 | 6): DnsAnswer {
  switch (resolution.kind) {
    case "none":
      return empty(ResponseCode.OK);
    case "no-such-name":
      return empty(ResponseCode.NO_NAME);
    case "failed":
      return failure(ResponseCode.SERVER);
    case "addresses": {
      const bytes = family === 4 ? 4 : 16;
      const records = resolution.addresses
        .slice(0, MOST_RECORDS)
        .map(parseIp)
        .filter((a) => a?.length === bytes);
      const ttl = Number.isFinite(resolution.ttlSeconds) ? resolution.ttlSeconds : 0;
      const ttlSeconds = Math.min(MOST_TTL_SECONDS, Math.max(0, Math.floor(ttl)));
      return { code: ResponseCode.OK, records: records as Uint8Array[], ttlSeconds };
    }
  }
}

const isHint = (type: number): boolean => type === RecordType.HTTPS || type === RecordType.SVCB;

/** A question for the name of one of this network's addresses, which the host knows nothing of. */
function isOwn(query: DnsQuery): boolean {
  const address = query.type === RecordType.PTR ? addressOfReverseName(query.name) : null;
  return address !== null && isInside(address);
}
