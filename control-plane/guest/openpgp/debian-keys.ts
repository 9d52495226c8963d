// Debian's own release key, for machines that have no keyring of Debian's: most that are not Debian.
//
// "Debian Stable Release Key (12/bookworm)", which signs every point release of the suite that mirror.ts reads. Its
// fingerprint is published by Debian and in the package debian-archive-keyring; a test derives it from these bytes.

/** Fingerprint of the key. */
export const BOOKWORM_RELEASE_FINGERPRINT = "4d64fec119c2029067d6e791f8d2585b8783d481";

/** The public key packet's body: version 4, created 2023-01-23, EdDSA, Ed25519, the point. */
const BOOKWORM_RELEASE_KEY = "BGPOuVMWCSsGAQQB2kcPAQEHQHe2dLK8LoZQeiShZHH+B1OEkkv8XEX8BEFs63K3+gBK";

/** The key does not outlive its certificate. */
export const BOOKWORM_RELEASE_EXPIRES_MS = Date.UTC(2031, 0, 21);

const TAG_PUBLIC_KEY_NEW_FORMAT = 0xc6;

/** A binary keyring of this one key. */
export function debianKeyring(): Uint8Array {
  const body = Buffer.from(BOOKWORM_RELEASE_KEY, "base64");
  return new Uint8Array([TAG_PUBLIC_KEY_NEW_FORMAT, body.length, ...body]);
}
