/**
 * What a client may do to nodes, with permissions and quotas checked: each function works on a view for a domain and
 * answers an error by name. Pure but for the view. [XEN] xenstore.txt "Database read, write and permissions operations"
 */
import { ok } from "../util/index.js";
import { type XsResult, xsError } from "./codec.js";
import { absolutePath, parentPath, splitPath } from "./path.js";
import { mayChangePermissions, mayRead, mayWrite, ownerOf, type Permissions } from "./perms.js";
import type { Quota } from "./quota.js";
import type { View } from "./transaction.js";
import { type Node, nearestNode } from "./tree.js";

export interface Caller {
  readonly domid: number;
  readonly quota: Quota;
}

export function readNode(view: View, caller: Caller, path: string): XsResult<Node> {
  const absolute = absolutePath(path, caller.domid);
  if (absolute === null) return xsError("EINVAL");
  const node = view.find(absolute);
  if (node) return mayRead(node.permissions, caller.domid) ? ok(node) : xsError("EACCES");
  // What does not exist is only told to those who could have seen it.
  const near = nearestNode(view.tree, absolute);
  return xsError(mayRead(near.permissions, caller.domid) ? "ENOENT" : "EACCES");
}

export function writeNode(view: View, caller: Caller, path: string, value: string): XsResult<void> {
  if (caller.domid !== 0 && value.length > caller.quota.valueBytes) return xsError("ENOSPC");
  return setNode(view, caller, path, () => value);
}

/** Makes a node with an empty value; one that exists is left as it is. */
export function makeDirectory(view: View, caller: Caller, path: string): XsResult<void> {
  const absolute = absolutePath(path, caller.domid);
  if (absolute === null) return xsError("EINVAL");
  const existing = view.find(absolute);
  if (existing) return mayWrite(existing.permissions, caller.domid) ? ok(undefined) : xsError("EACCES");
  return setNode(view, caller, path, () => "");
}

/** Removes a subtree. A missing node is no error when its parent exists. */
export function removeSubtree(view: View, caller: Caller, path: string): XsResult<void> {
  const absolute = absolutePath(path, caller.domid);
  if (absolute === null || absolute === "/") return xsError("EINVAL");
  const node = view.find(absolute);
  if (node) {
    if (!mayWrite(node.permissions, caller.domid)) return xsError("EACCES");
    view.remove(absolute);
    return ok(undefined);
  }
  const parent = view.find(parentPath(absolute));
  if (!parent) return readMissing(view, caller, absolute);
  return mayWrite(parent.permissions, caller.domid) ? ok(undefined) : xsError("EACCES");
}

export function changePermissions(view: View, caller: Caller, path: string, next: Permissions): XsResult<void> {
  const absolute = absolutePath(path, caller.domid);
  if (absolute === null) return xsError("EINVAL");
  if (caller.domid !== 0 && next.length > caller.quota.permissions) return xsError("ENOSPC");
  const node = view.find(absolute);
  if (!node) return readMissing(view, caller, absolute);
  if (!mayChangePermissions(node.permissions, next, caller.domid)) return xsError("EACCES");
  view.setPermissions(absolute, next);
  return ok(undefined);
}

function readMissing(view: View, caller: Caller, absolute: string): XsResult<never> {
  const near = nearestNode(view.tree, absolute);
  return xsError(mayRead(near.permissions, caller.domid) ? "ENOENT" : "EACCES");
}

function setNode(view: View, caller: Caller, path: string, value: () => string): XsResult<void> {
  const absolute = absolutePath(path, caller.domid);
  if (absolute === null) return xsError("EINVAL");
  const depth = splitPath(absolute).length;
  if (caller.domid !== 0 && depth > caller.quota.depth) return xsError("ENOSPC");
  const node = view.find(absolute);
  const near = node ?? nearestNode(view.tree, absolute);
  if (!mayWrite(near.permissions, caller.domid)) return xsError("EACCES");
  if (!node) {
    const fits = fitsNodeQuota(view, caller, absolute);
    if (!fits.ok) return fits;
    view.find(parentPath(absolute));
  }
  view.set(absolute, value(), node?.permissions ?? inherit(near.permissions, caller.domid));
  return ok(undefined);
}

function fitsNodeQuota(view: View, caller: Caller, absolute: string): XsResult<void> {
  if (caller.domid === 0) return ok(undefined);
  let missing = 0;
  for (let at = absolute; at !== "/" && !findQuietly(view, at); at = parentPath(at)) missing++;
  const owned = view.tree.owned.get(caller.domid) ?? 0;
  return owned + missing > caller.quota.nodes ? xsError("ENOSPC") : ok(undefined);
}

/** Looks without leaving a trace that could make a transaction conflict. */
function findQuietly(view: View, path: string): boolean {
  let node: Node | undefined = view.tree.root;
  for (const name of splitPath(path)) node = node?.children.get(name);
  return node !== undefined;
}

/** A new node takes its ancestor's permissions; made by a guest, it belongs to that guest. */
function inherit(permissions: Permissions, domid: number): Permissions {
  if (domid === 0 || ownerOf(permissions) === domid) return permissions;
  const [first, ...others] = permissions;
  return [{ domid, access: first.access }, ...others];
}
