/**
 * Bypasses among the guests of one network: who has one with whom, when one is worth while, and the messages that make and
 * end them. What then goes through them we never see.
 */
import type { LogRing } from "../../util/index.js";
import {
  introductionMessage,
  type LentRing,
  MAC_BYTES,
  Message,
  numberMessage,
  readFrontendReady,
  readNumber,
  readSuggestion,
} from "./codec.js";
import { ASKED, type BypassEffect, type BypassEvent, type BypassState, step } from "./machine.js";

/** A front end that can be introduced to others. */
export interface BypassMember {
  readonly domid: number;
  readonly mac: Uint8Array;
  readonly queues: number;
  /** Bypasses that it may have, each with all its queues. */
  readonly mostBypasses: number;
  say(queue: number, message: Uint8Array): void;
  /** A bypass of one queue is in use. */
  made(): void;
}

export interface BypassesOptions {
  readonly log: LogRing;
  /** Packets from one guest to another after which they are introduced. */
  readonly threshold?: number;
}

/** Pages of a ring in one direction: it holds descriptions and small packets. */
const PAGES = 16;
const THRESHOLD = 32;
const HANDLES_PER_PAIR = 16;

interface Bypass {
  readonly pair: Pair;
  readonly handle: number;
  readonly queue: number;
  state: BypassState;
  /** What the lender has made. */
  ring: LentRing | null;
}

interface Pair {
  readonly lender: BypassMember;
  readonly borrower: BypassMember;
  readonly bypasses: Bypass[];
  /** Of those that are not over. */
  open: number;
  /** It ends because bypasses were not allowed, or too many, and not by its guests' fault. */
  isForbidden: boolean;
}

/** What a member is to the others. */
interface Membership {
  readonly member: BypassMember;
  readonly pairs: Set<Pair>;
  /** Packets to others that there is no bypass to. */
  readonly packets: Map<BypassMember, number>;
  /** With whom there was a bypass, or an attempt, that did not last: not again. */
  readonly avoided: Set<BypassMember>;
}

export class Bypasses {
  readonly #members = new Map<BypassMember, Membership>();
  readonly #byHandle = new Map<number, Bypass>();
  readonly #log: LogRing;
  readonly #threshold: number;
  #nextHandle = HANDLES_PER_PAIR;
  #allowed = true;

  constructor({ log, threshold = THRESHOLD }: BypassesOptions) {
    this.#log = log;
    this.#threshold = threshold;
  }

  /** Bypasses that are in use, by queue. */
  get live(): number {
    let count = 0;
    for (const { state } of this.#byHandle.values()) if (state.phase === "live") count++;
    return count;
  }

  /** False ends all and makes no more: somebody wants to see, shape or forbid what the guests send each other. */
  set allowed(allowed: boolean) {
    this.#allowed = allowed;
    if (allowed) return;
    for (const bypass of [...this.#byHandle.values()]) {
      bypass.pair.isForbidden = true;
      this.#step(bypass, { kind: "end" });
    }
  }

  join(member: BypassMember): void {
    this.#members.set(member, { member, pairs: new Set(), packets: new Map(), avoided: new Set() });
  }

  /** The member's rings are gone. */
  leave(member: BypassMember): void {
    const leaving = this.#members.get(member);
    if (leaving === undefined) return;
    for (const pair of [...leaving.pairs]) {
      const who = pair.lender === member ? "lender" : "borrower";
      for (const bypass of pair.bypasses) this.#step(bypass, { kind: "gone", who });
    }
    this.#members.delete(member);
    for (const { packets, avoided } of this.#members.values()) {
      packets.delete(member);
      avoided.delete(member);
    }
  }

  /** A packet of the member's went out by us to the address that `frame` begins with. */
  sent(from: BypassMember, frame: Uint8Array): void {
    if (!this.#allowed || (frame[0]! & 1) !== 0 || this.#members.size < 2) return;
    const to = this.#find(frame);
    const sender = this.#members.get(from);
    if (to === undefined || to === from || sender === undefined) return;
    const packets = (sender.packets.get(to) ?? 0) + 1;
    sender.packets.set(to, packets);
    if (packets < this.#threshold) return;
    sender.packets.set(to, 0);
    this.#introduce(from, to);
  }

  /** A message of the member's about bypasses. Anything may stand in it. */
  answer(from: BypassMember, queue: number, type: number, message: Uint8Array): void {
    if (type === Message.SUGGEST_BYPASS) {
      const mac = readSuggestion(message);
      const to = mac === null ? undefined : this.#find(mac);
      if (to !== undefined && to !== from) this.#introduce(from, to);
      return;
    }
    const ready = type === Message.BYPASS_FRONTEND_READY ? readFrontendReady(message) : null;
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const bypass = this.#byHandle.get(ready?.handle ?? readNumber(view));
    if (bypass === undefined || bypass.queue !== queue) return;
    const isLender = bypass.pair.lender === from;
    if (!isLender && bypass.pair.borrower !== from) return;
    const who = isLender ? "lender" : "borrower";
    if (type === Message.BYPASS_DISABLED) this.#step(bypass, { kind: "disabled", who });
    else if (type === Message.BYPASS_DETACHED) this.#step(bypass, { kind: "detached", who });
    else if (type === Message.BYPASS_READY && !isLender) this.#step(bypass, { kind: "borrowed" });
    else if (ready !== null && isLender) this.#lent(bypass, ready.ring);
  }

  #find(mac: Uint8Array): BypassMember | undefined {
    for (const member of this.#members.keys()) {
      let index = 0;
      while (index < MAC_BYTES && member.mac[index] === mac[index]) index++;
      if (index === MAC_BYTES) return member;
    }
    return undefined;
  }

  #introduce(a: BypassMember, b: BypassMember): void {
    const one = this.#members.get(a);
    const other = this.#members.get(b);
    if (!this.#allowed || one === undefined || other === undefined || a.domid === b.domid) return;
    if (one.avoided.has(b) || other.avoided.has(a)) return;
    if (takenBy(one) >= a.mostBypasses || takenBy(other) >= b.mostBypasses) return;
    for (const { lender, borrower } of one.pairs) if (lender === b || borrower === b) return;
    const queues = Math.min(a.queues, b.queues);
    const pair: Pair = { lender: a, borrower: b, bypasses: [], open: queues, isForbidden: false };
    one.pairs.add(pair);
    other.pairs.add(pair);
    for (let queue = 0; queue < queues; queue++) {
      const bypass: Bypass = { pair, handle: this.#nextHandle + queue, queue, state: ASKED, ring: null };
      pair.bypasses.push(bypass);
      this.#byHandle.set(bypass.handle, bypass);
      a.say(queue, introductionMessage({ handle: bypass.handle, peerDomid: b.domid, peerMac: b.mac, pages: PAGES }));
    }
    this.#nextHandle = (this.#nextHandle + HANDLES_PER_PAIR) >>> 0;
  }

  #lent(bypass: Bypass, ring: LentRing): void {
    bypass.ring ??= ring;
    const { borrower } = bypass.pair;
    const borrowing = this.#members.get(borrower);
    const isTooMany =
      borrowing !== undefined && !isTaking(bypass.pair, borrower) && takenBy(borrowing) >= borrower.mostBypasses;
    if (isTooMany) {
      // Others were quicker, which is nobody's fault.
      bypass.pair.isForbidden = true;
      this.#step(bypass, { kind: "end" });
    } else this.#step(bypass, { kind: ring.port > 0 && ring.refs.length === 2 * PAGES ? "lent" : "refused" });
  }

  #step(bypass: Bypass, event: BypassEvent): void {
    const [next, effects] = step(bypass.state, event);
    bypass.state = next;
    for (const effect of effects) this.#perform(bypass, effect);
  }

  #perform(bypass: Bypass, effect: BypassEffect): void {
    const { pair, handle, queue } = bypass;
    switch (effect.kind) {
      case "offer":
        this.#offer(bypass);
        return;
      case "live":
        pair.lender.made();
        pair.borrower.made();
        return;
      case "disable":
        pair[effect.who].say(queue, numberMessage(Message.BYPASS_DISABLE, handle));
        return;
      case "detach":
        pair[effect.who].say(queue, numberMessage(Message.BYPASS_DETACH, handle));
        return;
      case "over":
        this.#over(bypass);
        return;
    }
  }

  #offer({ pair, handle, queue, ring }: Bypass): void {
    const { domid, mac } = pair.lender;
    const to = { handle, peerDomid: domid, peerMac: mac, pages: PAGES };
    pair.borrower.say(queue, introductionMessage(to, ring!));
  }

  #over({ pair, handle }: Bypass): void {
    this.#byHandle.delete(handle);
    if (--pair.open > 0) return;
    const { lender, borrower, isForbidden } = pair;
    for (const member of [lender, borrower]) this.#members.get(member)?.pairs.delete(pair);
    if (isForbidden) return;
    const lending = this.#members.get(lender);
    const borrowing = this.#members.get(borrower);
    // Who has left comes back as somebody else, if at all: keeping it would be keeping all that it had.
    if (lending !== undefined && borrowing !== undefined) {
      lending.avoided.add(borrower);
      borrowing.avoided.add(lender);
    }
    this.#log.write(`the bypass of domains ${lender.domid} and ${borrower.domid} has ended`);
  }
}

/** Whether a pair is one of those that a member may have: a borrower knows nothing of it before the lender has lent. */
const isTaking = (pair: Pair, member: BypassMember): boolean =>
  pair.lender === member || pair.bypasses.some(({ state }) => state.borrower !== "out");

function takenBy({ member, pairs }: Membership): number {
  let count = 0;
  for (const pair of pairs) if (isTaking(pair, member)) count++;
  return count;
}
