/** The state of everything that the core is made from, as one hash: equal hash, equal core. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FOLDERS = ["wasm-core/abi", "wasm-core/assembly", "wasm-core/build", "wasm-core/isa"];

/** TypeScript files below `folder`, without tests and without what is generated. */
function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (entry.name !== "gen" || folder.endsWith("isa")) yield* sources(path);
    } else if (entry.name.endsWith(".ts") && !entry.name.includes(".test.")) yield path;
  }
}

/** Sixteen hex digits over the sources and the versions of the tools in the lock file. */
export function coreSourceHash(): string {
  const hash = createHash("sha256");
  hash.update(readFileSync(join(ROOT, "package-lock.json")));
  for (const folder of FOLDERS) {
    for (const path of [...sources(folder)].sort()) hash.update(path).update(readFileSync(join(ROOT, path)));
  }
  return hash.digest("hex").slice(0, 16);
}
