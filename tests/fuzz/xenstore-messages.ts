/** Xenstore requests that are nearly right: known and unknown types, paths with every kind of mistake, lengths that lie. */
import type { Random } from "../support/random.js";

const HEADER_BYTES = 16;
const TYPES = 26;
const PARTS = [
  "local",
  "domain",
  "0",
  "1",
  "2",
  "data",
  "device",
  "vbd",
  "51712",
  "backend",
  "control",
  "shutdown",
  "vm",
  "a",
  "x-y_z",
];
const ODD = ["", ".", "..", " ", "\0", "\u00ff", "@releaseDomain", "@introduceDomain", "x".repeat(300), "%s%n"];

function path(random: Random): string {
  if (random.once(12)) return random.pick(ODD);
  const parts = Array.from({ length: random.below(6) }, () =>
    random.once(16) ? random.pick(ODD) : random.pick(PARTS),
  );
  return (random.once(2) ? "/" : "") + parts.join("/");
}

function payload(random: Random): string {
  const fields = [random.once(4) ? String(random.below(100000)) : path(random)];
  for (let i = random.below(4); i > 0; i--) {
    fields.push(random.pick([path(random), "T", "F", "b0", "r1", "n65535", "token", "v".repeat(random.below(2000))]));
  }
  return fields.join("\0") + (random.once(3) ? "" : "\0");
}

/** One request's bytes. */
export function xenstoreMessage(random: Random): Uint8Array {
  const body = Buffer.from(payload(random), "latin1");
  const out = Buffer.alloc(HEADER_BYTES + body.length);
  const transaction = random.once(2) ? 0 : random.below(4);
  const length = random.once(40) ? random.u32() : random.once(20) ? random.below(5000) : body.length;
  [random.once(30) ? random.u32() : random.below(TYPES), random.u32(), transaction, length >>> 0].forEach((word, i) => {
    out.writeUInt32LE(word, 4 * i);
  });
  out.set(body, HEADER_BYTES);
  return out;
}
