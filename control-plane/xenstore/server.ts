/**
 * The xenstore server: the store, its connections, and the answer to every request of the protocol. Transport-free: a
 * guest's ring hands messages to its Connection and takes replies and events from it; Domain0 itself uses `local`.
 * [XEN] docs/misc/xenstore.txt
 */
import { Connection, type ConnectionStore } from "./connection.js";
import { LocalStore } from "./local.js";
import { INTRODUCE_DOMAIN, RELEASE_DOMAIN } from "./path.js";
import { DEFAULT_QUOTA, type Quota } from "./quota.js";
import { View } from "./transaction.js";
import { emptyTree, type Generations, type Tree } from "./tree.js";
import { WatchTable } from "./watch.js";

export class XenstoreServer implements ConnectionStore {
  readonly watches = new WatchTable();
  readonly local: LocalStore;
  readonly #introduced = new Set<number>();
  readonly #connections = new Map<number, Connection>();
  #generation = 0;
  #tree: Tree;

  readonly #generations: Generations = () => ++this.#generation;

  constructor(readonly quota: Quota = DEFAULT_QUOTA) {
    this.#tree = emptyTree(this.#generations);
    this.local = new LocalStore(this);
  }

  get tree(): Tree {
    return this.#tree;
  }

  view(): View {
    return new View(this.#tree, this.#generations);
  }

  commit(view: View): boolean {
    const next = view.commitOnto(this.#tree);
    if (!next) return false;
    this.#tree = next;
    this.watches.fireChanges(view.changes, next);
    return true;
  }

  /** Opens the store to a domain. `send` receives replies and events as they are made. */
  introduce(domid: number, send: ConstructorParameters<typeof Connection>[2]): Connection {
    this.#connections.get(domid)?.close();
    const connection = new Connection(domid, this, send);
    this.#connections.set(domid, connection);
    this.#introduced.add(domid);
    this.watches.fireSpecial(INTRODUCE_DOMAIN);
    return connection;
  }

  /** Tells that a domain has shut down or is gone; watchers of @releaseDomain look again. */
  announceRelease(): void {
    this.watches.fireSpecial(RELEASE_DOMAIN);
  }

  /** Ends a domain's connection: its watches and transactions go, its nodes stay until removed. */
  release(domid: number): void {
    this.#connections.get(domid)?.close();
    this.#connections.delete(domid);
    this.#introduced.delete(domid);
    this.announceRelease();
  }

  isIntroduced(domid: number): boolean {
    return domid === 0 || this.#introduced.has(domid);
  }
}
