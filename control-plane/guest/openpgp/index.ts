// Who signed a release file: gpgv's word where there is one, our own check elsewhere, against the same keyring.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { err, ok } from "../../util/index.js";
import { fromException, type GuestResult } from "../errors.js";
import { runProgram } from "../run-program.js";
import { dearmor } from "./armor.js";
import { BOOKWORM_RELEASE_EXPIRES_MS, debianKeyring } from "./debian-keys.js";
import { parseKeyring, verifyClearsigned } from "./verify.js";

/** Where Debian's package debian-archive-keyring puts its keys. */
const INSTALLED_KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.pgp",
  "/usr/share/keyrings/debian-archive-keyring.gpg",
];

const KEY_EXPIRED =
  "Xenolith's copy of Debian's release key has expired. Install the package debian-archive-keyring, or pass the file " +
  "debian-archive-keyring.gpg, obtained in a way that you trust, with --keyring FILE";

/**
 * Returns the signed text of a clearsigned file, verified against `keyring`, or Debian's installed keys, or else the copy
 * of Debian's release key that is part of Xenolith.
 */
export async function verifyRelease(
  message: Uint8Array,
  keyring: string | undefined,
  signal?: AbortSignal,
): Promise<GuestResult<string>> {
  const path = keyring ?? INSTALLED_KEYRINGS.find((candidate) => existsSync(candidate));
  if (path === undefined) return verifyWithOwnKey(message, Date.now());
  let file: Uint8Array;
  try {
    file = new Uint8Array(await readFile(path));
  } catch (error) {
    return fromException("unverified", `the keyring ${path} cannot be read`, error);
  }
  const keys = parseKeyring(file);
  if (keys.length === 0) return err("unverified", `the keyring ${path} holds no key of a known kind`);
  const ours = verifyClearsigned(message, keys, Date.now());
  if (!ours.ok) return ours;
  // gpgv also looks at revocations and expiry, so where it is installed it must agree.
  return confirmWithGpgv(message, file, ours.value, signal);
}

/** Verifies against the embedded key alone. */
export function verifyWithOwnKey(message: Uint8Array, nowMs: number): GuestResult<string> {
  if (nowMs > BOOKWORM_RELEASE_EXPIRES_MS) return err("unverified", KEY_EXPIRED);
  return verifyClearsigned(message, parseKeyring(debianKeyring()), nowMs);
}

async function confirmWithGpgv(
  message: Uint8Array,
  keyring: Uint8Array,
  text: string,
  signal: AbortSignal | undefined,
): Promise<GuestResult<string>> {
  const folder = await mkdtemp(join(tmpdir(), "xenolith-gpgv-"));
  try {
    const armored = Buffer.from(keyring.subarray(0, 64)).toString("latin1").includes("-----BEGIN PGP");
    const binary = armored ? dearmor(Buffer.from(keyring).toString("latin1"))! : keyring;
    const keyringPath = join(folder, "keyring.gpg");
    const messagePath = join(folder, "InRelease");
    await writeFile(keyringPath, binary);
    await writeFile(messagePath, message);
    const args = ["--homedir", folder, "--keyring", keyringPath, "--status-fd", "1", messagePath];
    const run = await runProgram("gpgv", args, { signal });
    // No gpgv on this machine: our own check stands alone.
    if (!run.ok) return signal?.aborted ? run : ok(text);
    const says = (word: string) => new RegExp(`^\\[GNUPG:\\] ${word} `, "m").test(run.value.stdout);
    if (says("VALIDSIG") && !says("(BADSIG|REVKEYSIG|EXPSIG)")) return ok(text);
    return err("unverified", `gpgv does not accept the release file's signature: ${run.value.stderr.trim()}`);
  } catch (error) {
    return fromException("io", "the temporary folder cannot be used", error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
