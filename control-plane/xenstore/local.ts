/**
 * Domain0's own door to the store: the same operations as the protocol, as calls. It may do everything; a path that it
 * gets wrong is our mistake and reads as absent. Values are byte strings.
 */

import { changePermissions, makeDirectory, readNode, removeSubtree, writeNode } from "./operations.js";
import type { Permissions } from "./perms.js";
import { DEFAULT_QUOTA } from "./quota.js";
import type { View } from "./transaction.js";
import type { Watcher, WatchTable } from "./watch.js";

interface LocalBackingStore {
  readonly watches: WatchTable;
  view(): View;
  commit(view: View): boolean;
}

const DOMAIN0 = { domid: 0, quota: DEFAULT_QUOTA };

/** Reads and writes inside one transaction. */
export class LocalTransaction {
  constructor(private readonly view: View) {}

  read(path: string): string | null {
    const node = readNode(this.view, DOMAIN0, path);
    return node.ok ? node.value.value : null;
  }

  list(path: string): string[] {
    const node = readNode(this.view, DOMAIN0, path);
    return node.ok ? [...node.value.children.keys()] : [];
  }

  exists(path: string): boolean {
    return readNode(this.view, DOMAIN0, path).ok;
  }

  /** False when the path is malformed. */
  write(path: string, value: string): boolean {
    return writeNode(this.view, DOMAIN0, path, value).ok;
  }

  mkdir(path: string): boolean {
    return makeDirectory(this.view, DOMAIN0, path).ok;
  }

  remove(path: string): boolean {
    return removeSubtree(this.view, DOMAIN0, path).ok;
  }

  setPermissions(path: string, permissions: Permissions): boolean {
    return changePermissions(this.view, DOMAIN0, path, permissions).ok;
  }
}

export class LocalStore {
  constructor(private readonly store: LocalBackingStore) {}

  /** Runs `body` as one transaction: its changes are seen all at once. Nothing can come between, so it cannot conflict. */
  transact<T>(body: (transaction: LocalTransaction) => T): T {
    const view = this.store.view();
    const result = body(new LocalTransaction(view));
    if (view.changes.length > 0) this.store.commit(view);
    return result;
  }

  read(path: string): string | null {
    return this.transact((transaction) => transaction.read(path));
  }

  list(path: string): string[] {
    return this.transact((transaction) => transaction.list(path));
  }

  write(path: string, value: string): boolean {
    return this.transact((transaction) => transaction.write(path, value));
  }

  remove(path: string): boolean {
    return this.transact((transaction) => transaction.remove(path));
  }

  setPermissions(path: string, permissions: Permissions): boolean {
    return this.transact((transaction) => transaction.setPermissions(path, permissions));
  }

  /** Calls `onChange` once at once and then after each change at or below `path`. Returns what ends it. */
  watch(path: string, onChange: (path: string) => void): () => void {
    const watcher: Watcher = { domid: 0, event: (changed) => onChange(changed) };
    this.store.watches.add(watcher, path, "", "");
    onChange(path);
    return () => this.store.watches.removeAll(watcher);
  }
}
