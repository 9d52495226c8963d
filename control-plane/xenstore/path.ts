/**
 * Xenstore paths: slash-separated names of [A-Za-z0-9-/_@], absolute up to 3072 bytes or relative to the caller's home
 * up to 2048. "@introduceDomain" and "@releaseDomain" name events rather than nodes. [XEN] xenstore.txt
 */

const ABSOLUTE_MAX = 3072;
const RELATIVE_MAX = 2048;
const CHARACTERS = /^[A-Za-z0-9\-/_@]+$/;

export const INTRODUCE_DOMAIN = "@introduceDomain";
export const RELEASE_DOMAIN = "@releaseDomain";

export const homeOf = (domid: number): string => `/local/domain/${domid}`;

export const isSpecial = (path: string): boolean => path === INTRODUCE_DOMAIN || path === RELEASE_DOMAIN;

/** The absolute path that `path` means to `domid`; null when it is malformed. */
export function absolutePath(path: string, domid: number): string | null {
  if (!CHARACTERS.test(path) || path.includes("//")) return null;
  if (path === "/") return path;
  if (path.endsWith("/") || path.startsWith("@")) return null;
  if (path.startsWith("/")) return path.length <= ABSOLUTE_MAX ? path : null;
  return path.length <= RELATIVE_MAX ? `${homeOf(domid)}/${path}` : null;
}

/** Names from the root down; none for "/". */
export const splitPath = (path: string): string[] => (path === "/" ? [] : path.slice(1).split("/"));

export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

export const joinPath = (parent: string, name: string): string => (parent === "/" ? `/${name}` : `${parent}/${name}`);

/** Whether `path` is `ancestor` or lies below it. */
export function isAtOrBelow(path: string, ancestor: string): boolean {
  return path === ancestor || ancestor === "/" || path.startsWith(`${ancestor}/`);
}
