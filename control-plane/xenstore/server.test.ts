import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageParser, writeMessage, type XsMessage, XsType } from "./codec.js";
import type { Connection } from "./connection.js";
import { DEFAULT_QUOTA, type Quota } from "./quota.js";
import { XenstoreServer } from "./server.js";

type Who = 0 | 5 | 7;

/** A store with guests 5 and 7 as the toolstack would leave it, and a way to tell its story. */
class Story {
  readonly server: XenstoreServer;
  readonly out = new Map<number, XsMessage[]>();
  readonly #connections = new Map<number, Connection>();

  constructor(quota: Partial<Quota> = {}) {
    this.server = new XenstoreServer({ ...DEFAULT_QUOTA, ...quota });
    for (const domid of [0, 5, 7]) {
      this.out.set(domid, []);
      this.#connections.set(
        domid,
        this.server.introduce(domid, (message) => this.out.get(domid)!.push(message)),
      );
    }
    for (const domid of [5, 7]) {
      this.server.local.write(`/local/domain/${domid}/name`, `guest${domid}`);
      this.server.local.setPermissions(`/local/domain/${domid}`, [
        { domid: 0, access: "n" },
        { domid, access: "r" },
      ]);
      this.server.local.setPermissions(`/local/domain/${domid}/name`, [
        { domid: 0, access: "n" },
        { domid, access: "r" },
      ]);
      this.server.local.write(`/local/domain/${domid}/data`, "");
      this.server.local.setPermissions(`/local/domain/${domid}/data`, [{ domid, access: "n" }]);
    }
  }

  /** The reply as "payload" or "!ERROR", NULs shown as |. */
  ask(who: Who, type: number, payload: string, txId = 0): string {
    const out = this.out.get(who)!;
    const before = out.length;
    this.#connections.get(who)!.handle({ type, requestId: 9, txId, payload });
    const reply = out[before]!;
    expect(reply.requestId).toBe(9);
    const text = reply.payload.replaceAll("\0", "|");
    return reply.type === XsType.ERROR ? `!${text.slice(0, -1)}` : text;
  }

  events(who: Who): string[] {
    const events = this.out.get(who)!.filter(({ type }) => type === XsType.WATCH_EVENT);
    this.out.set(who, []);
    return events.map(({ payload }) => payload.replaceAll("\0", "|"));
  }
}

const X = XsType;

/** Each row: who asks, what, with which payload, and what comes back. */
type Row = readonly [Who, number, string, string];

function tell(rows: readonly Row[], story = new Story()): Story {
  for (const [who, type, payload, expected] of rows) expect(story.ask(who, type, payload), payload).toBe(expected);
  return story;
}

describe("xenstore reading and writing", () => {
  it("lets a guest read what is its own, by a relative path too", () => {
    tell([
      [5, X.READ, "name\0", "guest5"],
      [5, X.READ, "/local/domain/5/name\0", "guest5"],
      [5, X.DIRECTORY, "/local/domain/5\0", "name|data|"],
    ]);
  });

  it("hides what a guest may not read, existing or not", () => {
    tell([
      [5, X.READ, "/local/domain/7/name\0", "!EACCES"],
      [5, X.READ, "/local/domain/7/nothing\0", "!EACCES"],
      [5, X.READ, "nothing\0", "!ENOENT"],
    ]);
  });

  it("lets a guest write only where it may, and gives it what it makes", () => {
    tell([
      [5, X.WRITE, "name\0evil", "!EACCES"],
      [5, X.WRITE, "data/a/b\0value", "OK|"],
      [5, X.READ, "data/a/b\0", "value"],
      [5, X.GET_PERMS, "data/a\0", "n5|"],
      [7, X.READ, "/local/domain/5/data/a/b\0", "!EACCES"],
      [5, X.SET_PERMS, "data/a/b\0n5\0r7\0", "OK|"],
      [7, X.READ, "/local/domain/5/data/a/b\0", "value"],
      [7, X.WRITE, "/local/domain/5/data/a/b\0x", "!EACCES"],
      [5, X.SET_PERMS, "data/a/b\0n7\0", "!EACCES"],
      [0, X.SET_PERMS, "/local/domain/5/data/a/b\0n7\0", "OK|"],
    ]);
  });

  it("makes and removes", () => {
    tell([
      [5, X.MKDIR, "data/d\0", "OK|"],
      [5, X.MKDIR, "data/d\0", "OK|"],
      [5, X.WRITE, "data/d/x\x001", "OK|"],
      [5, X.RM, "data/d\0", "OK|"],
      [5, X.READ, "data/d/x\0", "!ENOENT"],
      [5, X.RM, "data/d\0", "OK|"],
      [5, X.RM, "data/no/parent\0", "!ENOENT"],
      [0, X.RM, "/\0", "!EINVAL"],
    ]);
  });

  it("refuses malformed paths and payloads", () => {
    tell([
      [5, X.READ, "name", "!EINVAL"],
      [5, X.READ, "\0", "!EINVAL"],
      [5, X.READ, "a//b\0", "!EINVAL"],
      [5, X.READ, "a/\0", "!EINVAL"],
      [5, X.READ, "a b\0", "!EINVAL"],
      [5, X.READ, `/${"x".repeat(3072)}\0`, "!EINVAL"],
      [5, X.WRITE, "data", "!EINVAL"],
      [5, X.SET_PERMS, "data\0q5\0", "!EINVAL"],
      [5, X.SET_PERMS, "data\0", "!EINVAL"],
      [5, 99, "", "!ENOSYS"],
    ]);
  });

  it("answers the verbs about domains", () => {
    tell([
      [5, X.GET_DOMAIN_PATH, "7\0", "/local/domain/7|"],
      [5, X.IS_DOMAIN_INTRODUCED, "7\0", "T|"],
      [5, X.IS_DOMAIN_INTRODUCED, "8\0", "F|"],
      [5, X.INTRODUCE, "8\x001\x001\0", "!EACCES"],
      [0, X.RELEASE, "8\0", "OK|"],
      [5, X.CONTROL, "help\0", "!EACCES"],
    ]);
  });
});

describe("xenstore transactions", () => {
  it("shows changes only after the commit", () => {
    const story = new Story();
    const tx = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
    expect(story.ask(5, X.WRITE, "data/x\0one", tx)).toBe("OK|");
    expect(story.ask(5, X.READ, "data/x\0", tx)).toBe("one");
    expect(story.ask(5, X.READ, "data/x\0")).toBe("!ENOENT");
    expect(story.ask(5, X.TRANSACTION_END, "T\0", tx)).toBe("OK|");
    expect(story.ask(5, X.READ, "data/x\0")).toBe("one");
    expect(story.ask(5, X.TRANSACTION_END, "T\0", tx)).toBe("!ENOENT");
  });

  it("conflicts when what it read was changed, and not when something else was", () => {
    const story = new Story();
    story.ask(5, X.WRITE, "data/x\x001");
    const first = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
    story.ask(5, X.READ, "data/x\0", first);
    story.ask(5, X.WRITE, "data/y\x002", first);
    story.server.local.write("/elsewhere", "changed");
    expect(story.ask(5, X.TRANSACTION_END, "T\0", first)).toBe("OK|");
    expect(story.ask(5, X.READ, "data/y\0")).toBe("2");

    const second = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
    story.ask(5, X.READ, "data/x\0", second);
    story.ask(5, X.WRITE, "data/y\x003", second);
    story.server.local.write("/local/domain/5/data/x", "9");
    expect(story.ask(5, X.TRANSACTION_END, "T\0", second)).toBe("!EAGAIN");
    expect(story.ask(5, X.READ, "data/y\0")).toBe("2");
  });

  it("conflicts when a directory that it listed got another child", () => {
    const story = new Story();
    const tx = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
    story.ask(5, X.DIRECTORY, "data\0", tx);
    story.ask(5, X.WRITE, "data/mine\0", tx);
    story.server.local.write("/local/domain/5/data/theirs", "");
    expect(story.ask(5, X.TRANSACTION_END, "T\0", tx)).toBe("!EAGAIN");
  });

  it("drops everything on abort and refuses nesting and nonsense", () => {
    const story = new Story();
    const tx = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
    expect(story.ask(5, X.TRANSACTION_START, "\0", tx)).toBe("!EBUSY");
    story.ask(5, X.WRITE, "data/x\0one", tx);
    expect(story.ask(5, X.TRANSACTION_END, "F\0", tx)).toBe("OK|");
    expect(story.ask(5, X.READ, "data/x\0")).toBe("!ENOENT");
    expect(story.ask(5, X.READ, "data\0", 4711)).toBe("!ENOENT");
    expect(story.ask(7, X.TRANSACTION_END, "T\0", tx)).toBe("!ENOENT");
  });
});

describe("xenstore watches", () => {
  it("fires once at registration, then for changes below, in the caller's spelling", () => {
    const story = new Story();
    expect(story.ask(5, X.WATCH, "data\0token\0")).toBe("OK|");
    expect(story.events(5)).toEqual(["data|token|"]);
    story.server.local.write("/local/domain/5/data/a", "1");
    story.server.local.write("/local/domain/5/name", "other");
    expect(story.events(5)).toEqual(["data/a|token|"]);
    expect(story.ask(5, X.WATCH, "data\0token\0")).toBe("!EEXIST");
    expect(story.ask(5, X.UNWATCH, "data\0token\0")).toBe("OK|");
    expect(story.ask(5, X.UNWATCH, "data\0token\0")).toBe("!ENOENT");
  });

  it("tells of the removal of an ancestor", () => {
    const story = new Story();
    story.server.local.write("/local/domain/5/data/a/b", "1");
    story.server.local.setPermissions("/local/domain/5/data/a/b", [{ domid: 5, access: "n" }]);
    story.ask(5, X.WATCH, "/local/domain/5/data/a/b\0t\0");
    story.events(5);
    story.server.local.remove("/local/domain/5/data/a");
    expect(story.events(5)).toEqual(["/local/domain/5/data/a/b|t|"]);
  });

  it("does not tell a guest of what it may not read", () => {
    const story = new Story();
    story.ask(5, X.WATCH, "/local/domain/7\0t\0");
    story.events(5);
    story.server.local.write("/local/domain/7/name", "secret");
    expect(story.events(5)).toEqual([]);
  });

  it("replies before the events that a request causes", () => {
    const story = new Story();
    story.ask(5, X.WATCH, "data\0t\0");
    story.events(5);
    story.ask(5, X.WRITE, "data/x\x001");
    const types = story.out.get(5)!.map(({ type }) => type);
    expect(types).toEqual([X.WRITE, X.WATCH_EVENT]);
  });

  it("fires special watches and forgets all on reset", () => {
    const story = new Story();
    story.ask(0, X.WATCH, "@releaseDomain\0gone\0");
    story.ask(0, X.WATCH, "@introduceDomain\0new\0");
    story.events(0);
    story.server.release(7);
    story.server.introduce(8, () => {});
    expect(story.events(0)).toEqual(["@releaseDomain|gone|", "@introduceDomain|new|"]);
    expect(story.ask(0, X.RESET_WATCHES, "\0")).toBe("OK|");
    story.server.release(8);
    expect(story.events(0)).toEqual([]);
  });

  it("fires for what a transaction changed, at its commit", () => {
    const story = new Story();
    story.ask(5, X.WATCH, "data\0t\0");
    story.events(5);
    const tx = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
    story.ask(5, X.WRITE, "data/x\x001", tx);
    expect(story.events(5)).toEqual([]);
    story.ask(5, X.TRANSACTION_END, "T\0", tx);
    expect(story.events(5)).toEqual(["data/x|t|"]);
  });
});

describe("xenstore quotas", () => {
  it("limits nodes, values, watches and transactions of a guest", () => {
    const story = new Story({ nodes: 3, valueBytes: 8, watches: 1, transactions: 1 });
    tell(
      [
        [5, X.WRITE, "data/a\x001", "OK|"],
        [5, X.WRITE, "data/b/c\x001", "!ENOSPC"],
        [5, X.WRITE, "data/b\x001", "OK|"],
        [5, X.WRITE, "data/c\x001", "!ENOSPC"],
        [5, X.RM, "data/a\0", "OK|"],
        [5, X.WRITE, "data/c\x001", "OK|"],
        [5, X.WRITE, "data/c\x00123456789", "!ENOSPC"],
        [5, X.WATCH, "data\0a\0", "OK|"],
        [5, X.WATCH, "data\0b\0", "!E2BIG"],
        [5, X.TRANSACTION_START, "\0", "1|"],
        [5, X.TRANSACTION_START, "\0", "!ENOSPC"],
        [0, X.WRITE, "/local/domain/5/data/many\x00123456789", "OK|"],
      ],
      story,
    );
  });

  it("limits nodes that several transactions make beside each other", () => {
    const story = new Story({ nodes: 8 });
    for (const name of ["a", "b"]) story.ask(5, X.WRITE, `data/${name}\x00`);
    const transactions = ["a", "b"].map((name) => {
      const id = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
      for (let i = 0; i < 4; i++) expect(story.ask(5, X.WRITE, `data/${name}/${i}\x00`, id)).toBe("OK|");
      return id;
    });
    expect(transactions.map((id) => story.ask(5, X.TRANSACTION_END, "T\0", id))).toEqual(["OK|", "!ENOSPC"]);
    expect(story.server.view().tree.owned.get(5)).toBeLessThanOrEqual(8);
    const last = Number.parseInt(story.ask(5, X.TRANSACTION_START, "\0"), 10);
    expect(story.ask(5, X.RM, "data/a/0\0", last)).toBe("OK|");
    expect(story.ask(5, X.TRANSACTION_END, "T\0", last)).toBe("OK|");
  });
});

describe("DIRECTORY_PART", () => {
  it("gives a large directory in pieces that DIRECTORY refuses whole", () => {
    const story = new Story();
    const names = Array.from({ length: 900 }, (_, index) => `node-${index}`);
    for (const name of names) story.server.local.write(`/big/${name}`, "");
    expect(story.ask(0, X.DIRECTORY, "/big\0")).toBe("!E2BIG");
    let offset = 0;
    let all = "";
    for (let ended = false; !ended; ) {
      const part = story.ask(0, X.DIRECTORY_PART, `/big\0${offset}\0`);
      const list = part.slice(part.indexOf("|") + 1);
      ended = list === "|" || list.endsWith("||");
      all += ended ? list.slice(0, -1) : list;
      offset = all.length;
    }
    expect(all).toBe(names.map((name) => `${name}|`).join(""));
    expect(story.ask(0, X.DIRECTORY_PART, "/big\x00999999\x00")).toBe("!EINVAL");
  });
});

describe("the wire", () => {
  const messages = fc.array(
    fc.record({
      type: fc.nat(30),
      requestId: fc.nat(),
      txId: fc.nat(),
      payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => String.fromCharCode(...bytes)),
    }),
    { maxLength: 8 },
  );

  it("puts messages together whatever the pieces", () => {
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 50 })), (sent, cuts) => {
        const parser = new MessageParser();
        const received: XsMessage[] = [];
        const bytes = sent.flatMap((message) => [...writeMessage(message)]);
        for (const cut of [...cuts, bytes.length]) received.push(...parser.push(Uint8Array.from(bytes.splice(0, cut))));
        received.push(...parser.push(Uint8Array.from(bytes)));
        expect(received).toEqual(sent);
      }),
    );
  });

  it("stops for good at a length beyond the maximum", () => {
    const parser = new MessageParser();
    const bytes = writeMessage({ type: 2, requestId: 1, txId: 0, payload: "" });
    new DataView(bytes.buffer).setUint32(12, 4097, true);
    expect(parser.push(bytes)).toEqual([]);
    expect(parser.broken).toBe(true);
    expect(parser.push(writeMessage({ type: 2, requestId: 1, txId: 0, payload: "" }))).toEqual([]);
  });

  it("answers any request with exactly one reply and never throws", () => {
    const payloads = fc.oneof(
      fc.uint8Array({ maxLength: 64 }).map((bytes) => String.fromCharCode(...bytes)),
      fc
        .array(fc.constantFrom("data", "/", "name", "\0", "a", "5", "T", "@releaseDomain", "n5"), { maxLength: 6 })
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(24), fc.nat(3), payloads), { maxLength: 20 }), (requests) => {
        const story = new Story();
        for (const [type, txId, payload] of requests) {
          story.out.set(5, []);
          story.ask(5, type, payload, txId);
          const replies = story.out.get(5)!.filter((message) => message.type !== X.WATCH_EVENT);
          expect(replies.length).toBe(type === X.WATCH_EVENT ? replies.length : 1);
        }
      }),
    );
  });
});
