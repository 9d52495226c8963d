/**
 * Who wants to hear of which paths. A watch fires for its path and everything below; when a subtree goes, also for
 * watched paths inside it. A guest hears only of nodes that it may read. [XEN] xenstore.txt WATCH
 */
import { isAtOrBelow, isSpecial } from "./path.js";
import { mayRead } from "./perms.js";
import type { Change } from "./transaction.js";
import { type Node, nearestNode, type Tree } from "./tree.js";

export interface Watcher {
  readonly domid: number;
  /** Called with the path as the watcher wrote it (relative stays relative) and its token. */
  event(path: string, token: string): void;
}

interface Watch {
  readonly watcher: Watcher;
  /** Absolute, or special. */
  readonly path: string;
  readonly token: string;
  /** What to cut off the front of reported paths; "" for an absolute watch. */
  readonly prefix: string;
}

export class WatchTable {
  readonly #watches: Watch[] = [];

  /** False when the watcher already has that path and token. */
  add(watcher: Watcher, path: string, token: string, prefix: string): boolean {
    if (this.#watches.some((watch) => same(watch, watcher, path, token))) return false;
    this.#watches.push({ watcher, path, token, prefix });
    return true;
  }

  /** False when there is no such watch. */
  remove(watcher: Watcher, path: string, token: string): boolean {
    const at = this.#watches.findIndex((watch) => same(watch, watcher, path, token));
    if (at < 0) return false;
    this.#watches.splice(at, 1);
    return true;
  }

  removeAll(watcher: Watcher): void {
    const kept = this.#watches.filter((watch) => watch.watcher !== watcher);
    this.#watches.splice(0, this.#watches.length, ...kept);
  }

  countOf(watcher: Watcher): number {
    return this.#watches.filter((watch) => watch.watcher === watcher).length;
  }

  /** Reports changes that have taken effect, in their order. */
  fireChanges(changes: readonly Change[], now: Tree): void {
    for (const change of changes) {
      const removed = change.kind === "remove" ? change.removed : [];
      for (const watch of [...this.#watches]) this.#fireFor(watch, change.path, removed, now);
    }
  }

  /** Reports a special event. */
  fireSpecial(path: string): void {
    for (const watch of [...this.#watches]) if (watch.path === path) watch.watcher.event(path, watch.token);
  }

  #fireFor(watch: Watch, path: string, removed: readonly { path: string; node: Node }[], now: Tree): void {
    if (isSpecial(watch.path)) return;
    const { domid } = watch.watcher;
    if (isAtOrBelow(path, watch.path)) {
      const node = removed[0]?.node ?? nearestNode(now, path);
      if (mayRead(node.permissions, domid)) watch.watcher.event(path.slice(watch.prefix.length), watch.token);
      return;
    }
    const inside = removed.find((entry) => entry.path === watch.path);
    if (inside && mayRead(inside.node.permissions, domid)) {
      watch.watcher.event(watch.path.slice(watch.prefix.length), watch.token);
    }
  }
}

function same(watch: Watch, watcher: Watcher, path: string, token: string): boolean {
  return watch.watcher === watcher && watch.path === path && watch.token === token;
}
