/**
 * One client of the store: its watches, its open transactions and the answers to its requests. Every request gets
 * exactly one reply, of the request's type or ERROR, before any event that it caused.
 */
import { ok } from "../util/index.js";
import { readOneString, readStrings, XS_PAYLOAD_MAX, type XsMessage, type XsResult, XsType, xsError } from "./codec.js";
import { directoryPart } from "./directory.js";
import { type Caller, changePermissions, makeDirectory, readNode, removeSubtree, writeNode } from "./operations.js";
import { absolutePath, homeOf, isSpecial } from "./path.js";
import { readPermissions, writePermissions } from "./perms.js";
import type { Quota } from "./quota.js";
import type { View } from "./transaction.js";
import type { Watcher, WatchTable } from "./watch.js";

/** What a connection needs of the server. */
export interface ConnectionStore {
  readonly quota: Quota;
  readonly watches: WatchTable;
  view(): View;
  commit(view: View): boolean;
  isIntroduced(domid: number): boolean;
}

type Handler = (connection: Connection, payload: string, view: View) => XsResult<string>;

const DONE = "OK\0";

export class Connection implements Watcher {
  readonly caller: Caller;
  readonly #transactions = new Map<number, View>();
  #nextTransaction = 1;
  /** Events that must wait until the reply to the request at hand is out. */
  #held: XsMessage[] | null = null;

  constructor(
    readonly domid: number,
    readonly store: ConnectionStore,
    private readonly send: (message: XsMessage) => void,
  ) {
    this.caller = { domid, quota: store.quota };
  }

  /** Answers one request through `send`. */
  handle(request: XsMessage): void {
    this.#held = [];
    const result = this.#answer(request);
    const { requestId, txId } = request;
    if (!result.ok) this.send({ type: XsType.ERROR, requestId, txId, payload: `${result.error.code}\0` });
    else if (result.value.length > XS_PAYLOAD_MAX)
      this.send({ type: XsType.ERROR, requestId, txId, payload: "E2BIG\0" });
    else this.send({ type: request.type, requestId, txId, payload: result.value });
    const held = this.#held;
    this.#held = null;
    for (const event of held) this.send(event);
  }

  event(path: string, token: string): void {
    const message = { type: XsType.WATCH_EVENT, requestId: 0, txId: 0, payload: `${path}\0${token}\0` };
    if (this.#held) this.#held.push(message);
    else this.send(message);
  }

  /** Forgets watches and transactions, as at the start of a connection. */
  reset(): void {
    this.store.watches.removeAll(this);
    this.#transactions.clear();
  }

  close(): void {
    this.reset();
  }

  startTransaction(): XsResult<string> {
    if (this.domid !== 0 && this.#transactions.size >= this.caller.quota.transactions) return xsError("ENOSPC");
    while (this.#nextTransaction === 0 || this.#transactions.has(this.#nextTransaction)) this.#bumpTransaction();
    const id = this.#nextTransaction;
    this.#bumpTransaction();
    this.#transactions.set(id, this.store.view());
    return ok(`${id}\0`);
  }

  endTransaction(id: number, payload: string): XsResult<string> {
    const verdict = readOneString(payload);
    if (!verdict.ok || (verdict.value !== "T" && verdict.value !== "F")) return xsError("EINVAL");
    const view = this.#transactions.get(id)!;
    this.#transactions.delete(id);
    if (verdict.value === "F") return ok(DONE);
    if (!this.#fitsQuota(view)) return xsError("ENOSPC");
    return this.store.commit(view) ? ok(DONE) : xsError("EAGAIN");
  }

  /** Each of several transactions may have counted without the others. */
  #fitsQuota(view: View): boolean {
    const { owned } = this.store.view().tree;
    const made = (view.tree.owned.get(this.domid) ?? 0) - (view.base.owned.get(this.domid) ?? 0);
    return this.domid === 0 || made <= 0 || (owned.get(this.domid) ?? 0) + made <= this.caller.quota.nodes;
  }

  #bumpTransaction(): void {
    this.#nextTransaction = (this.#nextTransaction + 1) >>> 0;
  }

  #answer({ type, txId, payload }: XsMessage): XsResult<string> {
    const transaction = txId === 0 ? undefined : this.#transactions.get(txId);
    if (txId !== 0 && !transaction) return xsError("ENOENT");
    if (type === XsType.TRANSACTION_START) return transaction ? xsError("EBUSY") : this.startTransaction();
    if (type === XsType.TRANSACTION_END) return transaction ? this.endTransaction(txId, payload) : xsError("ENOENT");
    const handler = HANDLERS.get(type);
    if (!handler) return xsError("ENOSYS");
    const view = transaction ?? this.store.view();
    const result = handler(this, payload, view);
    if (transaction) return this.#withinTransactionQuota(transaction, txId, result);
    if (result.ok && view.changes.length > 0) this.store.commit(view);
    return result;
  }

  #withinTransactionQuota(transaction: View, txId: number, result: XsResult<string>): XsResult<string> {
    const limit = this.caller.quota.transactionNodes;
    if (this.domid === 0 || Math.max(transaction.touched, transaction.changes.length) <= limit) return result;
    this.#transactions.delete(txId);
    return xsError("ENOSPC");
  }
}

const done = (result: XsResult<void>): XsResult<string> => (result.ok ? ok(DONE) : result);

/** Handlers that only Domain0 may use; guests are refused whatever they send. */
const privileged =
  (handler: Handler): Handler =>
  (connection, payload, view) =>
    connection.domid === 0 ? handler(connection, payload, view) : xsError("EACCES");

function read(connection: Connection, payload: string, view: View): XsResult<string> {
  const path = readOneString(payload);
  if (!path.ok) return path;
  const node = readNode(view, connection.caller, path.value);
  return node.ok ? ok(node.value.value) : node;
}

function directory(connection: Connection, payload: string, view: View): XsResult<string> {
  const path = readOneString(payload);
  if (!path.ok) return path;
  const node = readNode(view, connection.caller, path.value);
  return node.ok ? ok([...node.value.children.keys()].map((name) => `${name}\0`).join("")) : node;
}

function partOfDirectory(connection: Connection, payload: string, view: View): XsResult<string> {
  const [path, offset, ...more] = readStrings(payload) ?? [];
  if (path === undefined || offset === undefined || more.length > 0 || !/^\d{1,9}$/.test(offset))
    return xsError("EINVAL");
  const node = readNode(view, connection.caller, path);
  return node.ok ? directoryPart(node.value, Number(offset)) : node;
}

function write(connection: Connection, payload: string, view: View): XsResult<string> {
  const end = payload.indexOf("\0");
  if (end < 0) return xsError("EINVAL");
  return done(writeNode(view, connection.caller, payload.slice(0, end), payload.slice(end + 1)));
}

function makeDir(connection: Connection, payload: string, view: View): XsResult<string> {
  const path = readOneString(payload);
  return path.ok ? done(makeDirectory(view, connection.caller, path.value)) : path;
}

function remove(connection: Connection, payload: string, view: View): XsResult<string> {
  const path = readOneString(payload);
  return path.ok ? done(removeSubtree(view, connection.caller, path.value)) : path;
}

function getPermissions(connection: Connection, payload: string, view: View): XsResult<string> {
  const path = readOneString(payload);
  if (!path.ok) return path;
  const node = readNode(view, connection.caller, path.value);
  return node.ok ? ok(writePermissions(node.value.permissions)) : node;
}

function setPerms(connection: Connection, payload: string, view: View): XsResult<string> {
  const [path, ...entries] = readStrings(payload) ?? [];
  const permissions = readPermissions(entries);
  if (path === undefined || !permissions) return xsError("EINVAL");
  return done(changePermissions(view, connection.caller, path, permissions));
}

/** Path, token and what to cut off reported paths; null when malformed. */
function readWatch(connection: Connection, payload: string) {
  const [path, token, ...more] = readStrings(payload) ?? [];
  if (path === undefined || token === undefined || more.length > 0) return null;
  if (isSpecial(path)) return { path, token, prefix: "", written: path };
  const absolute = absolutePath(path, connection.domid);
  if (absolute === null) return null;
  const prefix = path.startsWith("/") ? "" : `${homeOf(connection.domid)}/`;
  return { path: absolute, token, prefix, written: path };
}

function watch(connection: Connection, payload: string): XsResult<string> {
  const wanted = readWatch(connection, payload);
  if (!wanted) return xsError("EINVAL");
  const { watches } = connection.store;
  if (connection.domid !== 0 && watches.countOf(connection) >= connection.caller.quota.watches) return xsError("E2BIG");
  if (!watches.add(connection, wanted.path, wanted.token, wanted.prefix)) return xsError("EEXIST");
  connection.event(wanted.written, wanted.token);
  return ok(DONE);
}

function unwatch(connection: Connection, payload: string): XsResult<string> {
  const wanted = readWatch(connection, payload);
  if (!wanted) return xsError("EINVAL");
  return connection.store.watches.remove(connection, wanted.path, wanted.token) ? ok(DONE) : xsError("ENOENT");
}

function resetWatches(connection: Connection): XsResult<string> {
  connection.reset();
  return ok(DONE);
}

function readDomid(payload: string): number | null {
  const [text] = readStrings(payload) ?? [];
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : null;
}

function getDomainPath(_connection: Connection, payload: string): XsResult<string> {
  const domid = readDomid(payload);
  return domid === null ? xsError("EINVAL") : ok(`${homeOf(domid)}\0`);
}

function isIntroduced(connection: Connection, payload: string): XsResult<string> {
  const domid = readDomid(payload);
  return domid === null ? xsError("EINVAL") : ok(connection.store.isIntroduced(domid) ? "T\0" : "F\0");
}

/** Verbs about other domains: our toolstack introduces and releases through the server itself, so there is nothing left to do. */
function acknowledgeDomain(_connection: Connection, payload: string): XsResult<string> {
  return readDomid(payload) === null ? xsError("EINVAL") : ok(DONE);
}

const HANDLERS = new Map<number, Handler>([
  [XsType.CONTROL, privileged(() => xsError("ENOSYS"))],
  [XsType.DIRECTORY, directory],
  [XsType.READ, read],
  [XsType.GET_PERMS, getPermissions],
  [XsType.WATCH, watch],
  [XsType.UNWATCH, unwatch],
  [XsType.INTRODUCE, privileged(acknowledgeDomain)],
  [XsType.RELEASE, privileged(acknowledgeDomain)],
  [XsType.GET_DOMAIN_PATH, getDomainPath],
  [XsType.WRITE, write],
  [XsType.MKDIR, makeDir],
  [XsType.RM, remove],
  [XsType.SET_PERMS, setPerms],
  [XsType.IS_DOMAIN_INTRODUCED, isIntroduced],
  [XsType.RESUME, privileged(acknowledgeDomain)],
  [XsType.SET_TARGET, privileged(acknowledgeDomain)],
  [XsType.RESET_WATCHES, resetWatches],
  [XsType.DIRECTORY_PART, partOfDirectory],
]);
