import { expect, test } from "vitest";
import { unwrap } from "../../util/index.js";
import { checkValidUntil, findPackage, findReleaseFile, imagePackageOf } from "./index-file.js";

const SHA256 = "ab".repeat(32);
const PACKAGES = `Package: linux-image-cloud-amd64-dbg
Version: 9
Filename: pool/wrong.deb
Size: 1
SHA256: ${"00".repeat(32)}

Package: linux-image-cloud-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), other
Description: text
 Package: linux-image-cloud-amd64
Filename: pool/l/right.deb
Size: 1504
SHA256: ${SHA256}
`;

test("a package is found by its whole name", () => {
  expect(unwrap(findPackage(PACKAGES, "linux-image-cloud-amd64"))).toMatchObject({
    version: "6.1.192-2",
    filename: "pool/l/right.deb",
    sizeBytes: 1504,
    sha256: SHA256,
  });
  expect(findPackage(PACKAGES, "linux-image-cloud")).toMatchObject({ ok: false, error: { code: "source" } });
});

test("a package without a hash is refused", () => {
  const stripped = PACKAGES.replace(`SHA256: ${SHA256}\n`, "");
  expect(findPackage(stripped, "linux-image-cloud-amd64")).toMatchObject({ error: { code: "unverified" } });
});

test("the image package is the versioned one among the dependencies", () => {
  const meta = unwrap(findPackage(PACKAGES, "linux-image-cloud-amd64"));
  expect(unwrap(imagePackageOf(meta))).toBe("linux-image-6.1.0-56-cloud-amd64");
  expect(imagePackageOf({ ...meta, depends: "linux-base" }).ok).toBe(false);
});

test("a release file gives sizes and hashes by SHA-256 only", () => {
  const release = `MD5Sum:\n ${"1".repeat(32)} 5 main/Packages.xz\nSHA256:\n ${SHA256}  77 main/Packages.xz\n`;
  expect(unwrap(findReleaseFile(release, "main/Packages.xz"))).toEqual({ sha256: SHA256, sizeBytes: 77 });
  expect(findReleaseFile(release, "main/Other.xz").ok).toBe(false);
});

test("a release file past its validity is refused", () => {
  const release = "Valid-Until: Sat, 10 Jan 2026 10:00:00 UTC\n";
  expect(checkValidUntil(release, Date.UTC(2026, 0, 9)).ok).toBe(true);
  expect(checkValidUntil(release, Date.UTC(2026, 0, 11))).toMatchObject({ error: { code: "unverified" } });
  expect(checkValidUntil("Suite: x\n", Date.now()).ok).toBe(true);
});
