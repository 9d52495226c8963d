/**
 * The store itself as an immutable tree: a change returns a new root that shares what did not change, so a transaction
 * is an old root that somebody kept. A node's `generation` changes with its own value, permissions or list of children,
 * not with what lies deeper: that is the grain at which transactions conflict.
 */

import { splitPath } from "./path.js";
import { ownerOf, type Permissions } from "./perms.js";

export interface Node {
  readonly value: string;
  readonly permissions: Permissions;
  readonly children: ReadonlyMap<string, Node>;
  readonly generation: number;
}

/** A root and how many nodes each domain owns below it. */
export interface Tree {
  readonly root: Node;
  readonly owned: ReadonlyMap<number, number>;
}

/** Makes generations: one per store, so that no two changes ever share a number. */
export type Generations = () => number;

const NO_CHILDREN: ReadonlyMap<string, Node> = new Map();

export function emptyTree(generations: Generations): Tree {
  const permissions: Permissions = [{ domid: 0, access: "r" }];
  return {
    root: { value: "", permissions, children: NO_CHILDREN, generation: generations() },
    owned: new Map([[0, 1]]),
  };
}

export function findNode(tree: Tree, path: string): Node | undefined {
  let node: Node | undefined = tree.root;
  for (const name of splitPath(path)) node = node?.children.get(name);
  return node;
}

/** The deepest node on the way to `path` that exists. */
export function nearestNode(tree: Tree, path: string): Node {
  let node = tree.root;
  for (const name of splitPath(path)) {
    const child = node.children.get(name);
    if (!child) break;
    node = child;
  }
  return node;
}

/** Sets a value, making the node and its missing ancestors with `permissions` (for those made). */
export function setValue(tree: Tree, path: string, value: string, permissions: Permissions, next: Generations): Tree {
  const made = { count: 0 };
  const root = update(tree.root, splitPath(path), 0, permissions, made, next, (node) => ({
    ...node,
    value,
    generation: next(),
  }));
  return { root, owned: adjust(tree.owned, ownerOf(permissions), made.count) };
}

/** Replaces the permissions of a node that exists. */
export function setPermissions(tree: Tree, path: string, permissions: Permissions, next: Generations): Tree {
  const old = findNode(tree, path);
  if (!old) return tree;
  const root = update(tree.root, splitPath(path), 0, permissions, { count: 0 }, next, (node) => ({
    ...node,
    permissions,
    generation: next(),
  }));
  const owned = adjust(tree.owned, ownerOf(old.permissions), -1);
  return { root, owned: adjust(owned, ownerOf(permissions), 1) };
}

/** Removes a node and all below it. The root itself stays. */
export function removeNode(tree: Tree, path: string, next: Generations): Tree {
  const names = splitPath(path);
  const removed = findNode(tree, path);
  if (names.length === 0 || !removed) return tree;
  let owned = tree.owned;
  forEachNode(removed, path, (node) => {
    owned = adjust(owned, ownerOf(node.permissions), -1);
  });
  return { root: without(tree.root, names, 0, next), owned };
}

/** Visits a node and everything below it, parents first. */
export function forEachNode(node: Node, path: string, visit: (node: Node, path: string) => void): void {
  visit(node, path);
  for (const [name, child] of node.children) forEachNode(child, path === "/" ? `/${name}` : `${path}/${name}`, visit);
}

function update(
  node: Node,
  names: readonly string[],
  depth: number,
  permissions: Permissions,
  made: { count: number },
  next: Generations,
  change: (node: Node) => Node,
): Node {
  const name = names[depth];
  if (name === undefined) return change(node);
  const old = node.children.get(name);
  if (!old) made.count++;
  const child = old ?? { value: "", permissions, children: NO_CHILDREN, generation: next() };
  const children = new Map(node.children);
  children.set(name, update(child, names, depth + 1, permissions, made, next, change));
  return { ...node, children, generation: old ? node.generation : next() };
}

function without(node: Node, names: readonly string[], depth: number, next: Generations): Node {
  const name = names[depth]!;
  const children = new Map(node.children);
  if (depth === names.length - 1) {
    children.delete(name);
    return { ...node, children, generation: next() };
  }
  children.set(name, without(children.get(name)!, names, depth + 1, next));
  return { ...node, children };
}

function adjust(owned: ReadonlyMap<number, number>, domid: number, by: number): ReadonlyMap<number, number> {
  if (by === 0) return owned;
  const next = new Map(owned);
  const count = (next.get(domid) ?? 0) + by;
  if (count > 0) next.set(domid, count);
  else next.delete(domid);
  return next;
}
