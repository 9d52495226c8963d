// Debian's index files [Debian repository format]: stanzas of Packages, and the hash list of Release.
import { readControlFields } from "../../formats/index.js";
import { err, ok } from "../../util/index.js";
import type { GuestResult } from "../errors.js";
import type { PackageInfo } from "./source.js";

/** Finds a package's stanza in the text of a Packages file, or of `apt-cache show`. */
export function findPackage(packages: string, name: string): GuestResult<PackageInfo> {
  const heading = `Package: ${name}\n`;
  const at = packages.startsWith(heading) ? 0 : packages.indexOf(`\n${heading}`) + 1;
  if (at === 0 && !packages.startsWith(heading)) return err("source", `the package index has no ${name}`);
  const end = packages.indexOf("\n\n", at);
  const fields = readControlFields(packages.slice(at, end < 0 ? undefined : end));
  const field = (key: string) => fields.get(key) ?? "";
  const sha256 = field("SHA256").toLowerCase();
  const sizeBytes = Number(field("Size"));
  if (!/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    return err("unverified", `the package index gives no SHA-256 and size for ${name}`);
  }
  const depends = [field("Pre-Depends"), field("Depends")].filter((clause) => clause !== "").join(", ");
  const info = { name, version: field("Version"), sizeBytes, sha256, depends };
  return ok({ ...info, filename: field("Filename") });
}

/** The versioned image package that a kernel meta package depends on. */
export function imagePackageOf(meta: PackageInfo): GuestResult<string> {
  const name = /(?:^|,\s*)(linux-image-\d[a-z0-9.+-]*)/.exec(meta.depends)?.[1];
  return name === undefined ? err("source", `${meta.name} does not depend on a kernel image`) : ok(name);
}

/** The size and SHA-256 of a file that a Release text lists. */
export function findReleaseFile(release: string, path: string): GuestResult<{ sha256: string; sizeBytes: number }> {
  const list = readControlFields(release).get("SHA256") ?? "";
  for (const line of list.split("\n")) {
    const [sha256, size, name] = line.trim().split(/\s+/);
    if (name === path && sha256 && /^[0-9a-f]{64}$/.test(sha256)) return ok({ sha256, sizeBytes: Number(size) });
  }
  return err("source", `the release file lists no SHA-256 for ${path}`);
}

/** Refuses a Release text whose own end of validity has passed. */
export function checkValidUntil(release: string, nowMs: number): GuestResult<void> {
  const until = readControlFields(release).get("Valid-Until");
  if (until === undefined || Date.parse(until) >= nowMs) return ok(undefined);
  return err("unverified", `the release file was only valid until ${until}: the mirror is out of date`);
}
