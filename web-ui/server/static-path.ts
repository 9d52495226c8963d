/** From a request's path to a file below one folder, and never to one outside it, links included. */
import { realpath } from "node:fs/promises";
import { join, sep } from "node:path";

/** The real path of what `urlPath` names below `root`; null when it is malformed, absent or outside. */
export async function resolveStatic(root: string, urlPath: string): Promise<string | null> {
  const segments = splitPath(urlPath);
  if (!segments) return null;
  try {
    const base = await realpath(root);
    const path = await realpath(join(base, ...segments));
    return path === base || path.startsWith(base.endsWith(sep) ? base : base + sep) ? path : null;
  } catch {
    return null;
  }
}

/** Decoded segments of a path; null when one could mean anything but a plain name. */
export function splitPath(urlPath: string): string[] | null {
  const segments: string[] = [];
  for (const part of urlPath.split("/")) {
    if (part === "") continue;
    let name: string;
    try {
      name = decodeURIComponent(part);
    } catch {
      return null;
    }
    // Hidden files are nobody's business; separators and drive letters would leave the folder on some systems.
    if (name.startsWith(".") || /[\\/:\0]/.test(name)) return null;
    segments.push(name);
  }
  return segments;
}
