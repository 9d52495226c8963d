/** Names of images: paths below a folder, with `/` between the parts, that cannot leave it. */
import { StorageError } from "../errors.js";

const LONGEST_PART = 255;
/** Beginnings of names that are a folder's own: locks and notes. */
const OWN = ".";

/** The name in one spelling; fails with `bad-name`. */
export function checkedName(name: string): string {
  const parts = name.split("/");
  for (const part of parts) {
    const wrong =
      part === "" || part === ".." || part.startsWith(OWN) || part.length > LONGEST_PART || /[\0-\x1f\\]/.test(part);
    if (!wrong) continue;
    throw new StorageError("bad-name", "this is no name for an image", {
      file: name,
      expected: "parts between slashes that are not empty, begin with no dot and have no backslash",
    });
  }
  return parts.join("/");
}

/**
 * A path that the file `from` of the same folder gives for another, with either kind of slash: the name of that file, or
 * null when the path is absolute or leads out of the folder.
 */
export function resolveBelow(from: string, path: string): string | null {
  const parts = path.replaceAll("\\", "/").split("/");
  if (parts[0] === "" || /^[a-z]:$/i.test(parts[0]!)) return null;
  const whole = from.split("/").slice(0, -1);
  for (const part of parts) {
    if (part === "." || part === "") continue;
    if (part !== "..") whole.push(part);
    else if (whole.pop() === undefined) return null;
  }
  const name = whole.join("/");
  try {
    return checkedName(name);
  } catch {
    return null;
  }
}

/** The path from the file `from` to the file `to` of the same folder, beginning with `./` or `../`. */
export function relativePath(from: string, to: string): string {
  const a = from.split("/").slice(0, -1);
  const b = to.split("/");
  let same = 0;
  while (same < a.length && same < b.length - 1 && a[same] === b[same]) same++;
  const up = a.slice(same).map(() => "..");
  return [...(up.length === 0 ? ["."] : up), ...b.slice(same)].join("/");
}
