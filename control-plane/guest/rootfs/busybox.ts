// The applets of a busybox binary, read from the binary itself so that no guest program has to run at build time.
import { readAscii } from "../../formats/index.js";

/** The table of names starts with these two; it is sorted, and each name ends in a NUL. */
const TABLE_START = "[\0[[\0";
const APPLET_NAME = /^[a-z0-9_[][a-z0-9_.[-]*$/;
const NAME_LIMIT_BYTES = 32;

/** The applet names in a busybox binary; empty when it has no table of names. */
export function readAppletNames(busybox: Uint8Array): string[] {
  for (let pos = busybox.indexOf(0x5b); pos >= 0; pos = busybox.indexOf(0x5b, pos + 1)) {
    if (readAscii(busybox, pos, TABLE_START.length) === TABLE_START) return readTable(busybox, pos);
  }
  return [];
}

function readTable(bytes: Uint8Array, pos: number): string[] {
  const names: string[] = [];
  for (;;) {
    const end = bytes.indexOf(0, pos);
    if (end < 0 || end - pos > NAME_LIMIT_BYTES) return names;
    const name = readAscii(bytes, pos, end - pos);
    const previous = names[names.length - 1];
    if (!APPLET_NAME.test(name) || (previous !== undefined && name <= previous)) return names;
    names.push(name);
    pos = end + 1;
  }
}
