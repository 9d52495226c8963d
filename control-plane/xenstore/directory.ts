/**
 * DIRECTORY_PART: the children of a node in pieces, for nodes with more names than a message holds. A piece begins with
 * the node's generation, so that the client notices a change between two pieces; the last one ends with an empty name.
 */
import { ok } from "../util/index.js";
import { XS_PAYLOAD_MAX, type XsResult, xsError } from "./codec.js";
import type { Node } from "./tree.js";

export function directoryPart(node: Node, offset: number): XsResult<string> {
  const names = [...node.children.keys()].map((name) => `${name}\0`);
  const total = names.reduce((sum, name) => sum + name.length, 0);
  if (offset > total) return xsError("EINVAL");
  const head = `${node.generation}\0`;
  let room = XS_PAYLOAD_MAX - head.length;
  let at = 0;
  let part = "";
  for (const name of names) {
    const starts = at;
    at += name.length;
    if (starts < offset) continue;
    if (name.length > room) return ok(head + part);
    room -= name.length;
    part += name;
  }
  // The end mark needs a byte of its own; without room for it the client asks once more.
  return ok(room > 0 ? `${head}${part}\0` : head + part);
}
