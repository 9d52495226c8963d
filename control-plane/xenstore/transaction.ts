/**
 * One view of the store with its own changes on top: what a request works on, inside a transaction or outside. Records
 * what was looked at (by generation) and what was changed, so that a commit can tell a conflict and replay the changes
 * on a store that moved on elsewhere. Pure: the only state is the view itself.
 */
import type { Permissions } from "./perms.js";
import {
  findNode,
  forEachNode,
  type Generations,
  type Node,
  removeNode,
  setPermissions,
  setValue,
  type Tree,
} from "./tree.js";

/** A change, as it will be replayed; also what watches are fired for. */
export type Change =
  | { readonly kind: "set"; readonly path: string; readonly value: string; readonly permissions: Permissions }
  | { readonly kind: "permissions"; readonly path: string; readonly permissions: Permissions }
  | { readonly kind: "remove"; readonly path: string; readonly removed: readonly { path: string; node: Node }[] };

const ABSENT = -1;

export class View {
  readonly changes: Change[] = [];
  readonly #seen = new Map<string, number>();
  #tree: Tree;

  constructor(
    readonly base: Tree,
    private readonly generations: Generations,
  ) {
    this.#tree = base;
  }

  get tree(): Tree {
    return this.#tree;
  }

  /** Paths looked at or changed so far. */
  get touched(): number {
    return this.#seen.size;
  }

  find(path: string): Node | undefined {
    this.#note(path);
    return findNode(this.#tree, path);
  }

  set(path: string, value: string, permissions: Permissions): void {
    this.#note(path);
    this.changes.push({ kind: "set", path, value, permissions });
    this.#tree = setValue(this.#tree, path, value, permissions, this.generations);
  }

  setPermissions(path: string, permissions: Permissions): void {
    this.#note(path);
    this.changes.push({ kind: "permissions", path, permissions });
    this.#tree = setPermissions(this.#tree, path, permissions, this.generations);
  }

  remove(path: string): void {
    this.#note(path);
    const removed: { path: string; node: Node }[] = [];
    const node = findNode(this.#tree, path);
    if (node) forEachNode(node, path, (below, at) => removed.push({ path: at, node: below }));
    this.changes.push({ kind: "remove", path, removed });
    this.#tree = removeNode(this.#tree, path, this.generations);
  }

  /** The tree that results from committing onto `current`; null when something that was looked at has changed there. */
  commitOnto(current: Tree): Tree | null {
    if (current.root === this.base.root) return this.#tree;
    for (const [path, generation] of this.#seen) {
      if ((findNode(current, path)?.generation ?? ABSENT) !== generation) return null;
    }
    return this.changes.reduce((tree, change) => this.#replay(tree, change), current);
  }

  #replay(tree: Tree, change: Change): Tree {
    switch (change.kind) {
      case "set":
        return setValue(tree, change.path, change.value, change.permissions, this.generations);
      case "permissions":
        return setPermissions(tree, change.path, change.permissions, this.generations);
      case "remove":
        return removeNode(tree, change.path, this.generations);
    }
  }

  /** Remembers the generation in the base tree, the one that a conflict is measured against. */
  #note(path: string): void {
    if (this.#seen.has(path)) return;
    this.#seen.set(path, findNode(this.base, path)?.generation ?? ABSENT);
  }
}
