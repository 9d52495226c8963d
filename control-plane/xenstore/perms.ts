/**
 * Permissions of a xenstore node: the owner, what everybody else may do, and what named domains may do. On the wire a
 * list such as "n5\0r7\0": the first entry names the owner and gives everybody else's rights. [XEN] xenstore.txt "Permissions"
 */

export type Access = "n" | "r" | "w" | "b";

export interface Permission {
  readonly domid: number;
  readonly access: Access;
}

/** First entry: owner and default. At least one. */
export type Permissions = readonly [Permission, ...Permission[]];

const WRITTEN = /^([nrwb])(\d{1,5})$/;
const DOMID_MAX = 0x7fff;

/** Reads entries such as "n5"; null when one is malformed or there is none. */
export function readPermissions(entries: readonly string[]): Permissions | null {
  const permissions: Permission[] = [];
  for (const entry of entries) {
    const match = WRITTEN.exec(entry);
    const domid = Number(match?.[2]);
    if (!match || domid > DOMID_MAX) return null;
    permissions.push({ domid, access: match[1] as Access });
  }
  const [owner, ...others] = permissions;
  return owner ? [owner, ...others] : null;
}

export function writePermissions(permissions: Permissions): string {
  return permissions.map(({ access, domid }) => `${access}${domid}\0`).join("");
}

export const ownerOf = (permissions: Permissions): number => permissions[0].domid;

/** Domain0 and the owner may do anything; a named domain what its entry says; others what the first entry says. */
function accessOf(permissions: Permissions, domid: number): Access {
  if (domid === 0 || domid === ownerOf(permissions)) return "b";
  const named = permissions.slice(1).find((entry) => entry.domid === domid);
  return (named ?? permissions[0]).access;
}

export function mayRead(permissions: Permissions, domid: number): boolean {
  const access = accessOf(permissions, domid);
  return access === "r" || access === "b";
}

export function mayWrite(permissions: Permissions, domid: number): boolean {
  const access = accessOf(permissions, domid);
  return access === "w" || access === "b";
}

/** Only the owner and Domain0 may change permissions, and only Domain0 may give a node away. */
export function mayChangePermissions(old: Permissions, next: Permissions, domid: number): boolean {
  if (domid === 0) return true;
  return domid === ownerOf(old) && ownerOf(next) === ownerOf(old);
}
