/**
 * A guest's file systems at rest while something is done. It needs a program in the guest (guest/rootfs/freeze-agent.ts)
 * that has written 1 to `control/feature-freeze`. Keys below the domain's home:
 *
 *   control/freeze   Domain0 asks:       "freeze ID SECONDS", later "thaw ID"
 *   data/freeze      the guest answers:  "frozen ID" or "failed ID WHY", later "thawed ID" or "late ID"
 *
 * The guest goes on by itself after SECONDS, whatever has become of Domain0, and then answers "late" to the thaw: only a
 * guest that says "thawed" was at rest all the time. Nothing that it says or leaves unsaid holds Domain0 up for longer.
 */
import { type Disk, StorageError } from "../storage/index.js";
import { homeOf } from "../xenstore/index.js";
import type { DomainRecord } from "./record.js";
import type { Toolstack } from "./toolstack.js";

/** For the way there and back, beyond what the guest may take. */
const MARGIN_MS = 5000;
const MOST_TEXT = 200;
const WITHOUT = "or do without";

/** Does `work` while the guest that uses `disk` is at rest; throws `not-quiesced` when it was not all that time. */
export async function quiesce(
  toolstack: Toolstack,
  disk: Disk,
  seconds: number,
  work: () => Promise<void>,
): Promise<void> {
  const record = [...toolstack.registry.all()].find(({ disks }) => [...disks.values()].some((one) => one.shows(disk)));
  if (record === undefined) return work();
  // One at a time: what is asked stands in one key.
  const before = record.atRest;
  const done = before.then(() => atRest(toolstack, record, seconds, work));
  record.atRest = done.catch(() => {});
  return done;
}

async function atRest(
  toolstack: Toolstack,
  record: DomainRecord,
  seconds: number,
  work: () => Promise<void>,
): Promise<void> {
  refuseUnable(toolstack, record);
  const talk = new Talk(toolstack, record);
  const limitMs = seconds * 1000 + MARGIN_MS;
  const frozen = await talk.ask("freeze", `${seconds}`, ["frozen", "failed"], limitMs);
  if (frozen.word !== "frozen") {
    // It may come to rest yet.
    talk.tell("thaw");
    throw notFrozen(record, frozen, seconds);
  }
  let failure: unknown = null;
  await work().catch((error: unknown) => {
    failure = error;
  });
  const thawed = await talk.ask("thaw", "", ["thawed", "late"], limitMs);
  if (failure !== null) throw failure;
  if (thawed.word !== "thawed") throw notThawed(record, thawed, seconds);
}

function refuseUnable({ store }: Toolstack, record: DomainRecord): void {
  if (record.outcome || record.dying) throw fault(record, "the guest has ended");
  if (record.userPaused) throw fault(record, "the guest is paused", `let it go on, ${WITHOUT}`);
  if (store.local.read(`${homeOf(record.domid)}/control/feature-freeze`) !== "1") {
    const next = `run Xenolith's freeze-agent in it, ${WITHOUT}`;
    throw fault(record, "nothing in the guest freezes its file systems", next);
  }
}

function notFrozen(record: DomainRecord, { word, text }: Answer, seconds: number): StorageError {
  if (word === "gone") return fault(record, "the guest ended before its file systems were frozen");
  if (word === "failed")
    return fault(record, `the guest says: ${text || "its file systems cannot be frozen"}`, WITHOUT);
  return fault(record, `the guest has not frozen its file systems within ${seconds} s`, `allow it more, ${WITHOUT}`);
}

function notThawed(record: DomainRecord, { word }: Answer, seconds: number): StorageError {
  if (word === "gone") return fault(record, "the guest ended while its file systems were frozen");
  const next = `allow it more, ${WITHOUT}`;
  if (word === "late") return fault(record, `the guest went on by itself after ${seconds} s, too soon`, next);
  return fault(record, "the guest does not say whether its file systems were frozen all the time", next);
}

function fault(record: DomainRecord, what: string, next?: string): StorageError {
  return new StorageError("not-quiesced", what, { file: record.name, ...(next === undefined ? {} : { next }) });
}

interface Answer {
  /** One of those expected, or what came in their place. */
  readonly word: string;
  readonly text: string;
}
const GONE: Answer = { word: "gone", text: "" };
const NONE: Answer = { word: "none", text: "" };

/** One request and what follows from it. */
class Talk {
  readonly #id: number;
  readonly #question: string;
  readonly #answer: string;

  constructor(
    private readonly toolstack: Toolstack,
    private readonly record: DomainRecord,
  ) {
    this.#id = ++record.freezes;
    this.#question = `${homeOf(record.domid)}/control/freeze`;
    this.#answer = `${homeOf(record.domid)}/data/freeze`;
  }

  /** Asks, and waits for an answer, the guest's end, or the limit. */
  ask(verb: string, rest: string, expected: readonly string[], limitMs: number): Promise<Answer> {
    const { toolstack, record } = this;
    return new Promise((resolve) => {
      const ends: (() => void)[] = [];
      let isDone = false;
      const finish = (answer: Answer): void => {
        isDone = true;
        for (const end of ends) end();
        resolve(answer);
      };
      const timer = setTimeout(() => finish(NONE), limitMs);
      ends.push(() => clearTimeout(timer));
      ends.push(
        toolstack.subscribe((event) => {
          const ended = event.kind === "domain-shutdown" || event.kind === "domain-destroyed";
          if (ended && event.domid === record.domid) finish(GONE);
        }),
      );
      if (record.outcome || record.dying) return finish(GONE);
      this.tell(verb, rest);
      const look = (): void => {
        const answer = this.#read(expected);
        if (answer !== null) finish(answer);
      };
      const endWatch = toolstack.store.local.watch(this.#answer, look);
      // A guest that guesses what it will be asked has its answer there already.
      if (isDone) endWatch();
      else ends.push(endWatch);
    });
  }

  tell(verb: string, rest = ""): void {
    const { record, toolstack } = this;
    if (!record.dying) toolstack.store.local.write(this.#question, `${verb} ${this.#id} ${rest}`.trim());
  }

  #read(expected: readonly string[]): Answer | null {
    const value = this.toolstack.store.local.read(this.#answer) ?? "";
    const [word = "", id, ...rest] = value.slice(0, MOST_TEXT).split(" ");
    if (!expected.includes(word) || id !== `${this.#id}`) return null;
    return {
      word,
      text: rest
        .join(" ")
        .replace(/[^\x20-\x7e]/g, "?")
        .trim(),
    };
  }
}
