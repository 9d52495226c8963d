/**
 * Builds everything: generated sources, the core, and the bundles of Domain0, the command line and the page.
 * `--core-only` stops after the core; `--fast` compiles it without optimisation; `--text` writes its text format too.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { compileCore } from "./compile.js";
import { writeLayout } from "./gen-layout.js";
import { writeTable } from "./gen-table.js";
import { coreSourceHash } from "./sources.js";

const flags = new Set(process.argv.slice(2));

async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  const start = performance.now();
  process.stderr.write(`${what} ... `);
  const result = await run();
  process.stderr.write(`${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  return result;
}

await step("shared-memory layout", writeLayout);
await step("instruction table", writeTable);
/** The two builds of the core, for shared and for unshared memory: one compilation. */
const CORE = { out: "dist/core.wasm", unsharedOut: "dist/core-single.wasm" };
/** What the core was made from. A core of the same sources is kept. */
const STAMP = "dist/core.stamp";
const optimize = flags.has("--fast") ? 0 : 3;
const stamp = `${coreSourceHash()} -O${optimize}`;
const fresh =
  [...Object.values(CORE), STAMP].every((path) => existsSync(path)) && readFileSync(STAMP, "utf8") === stamp;
if (!fresh || flags.has("--text")) {
  await step("core", () =>
    compileCore({ entry: "wasm-core/assembly/index.ts", ...CORE, optimize, text: flags.has("--text") }),
  );
  mkdirSync("dist", { recursive: true });
  writeFileSync(STAMP, stamp);
}
if (!flags.has("--core-only")) {
  const { bundle } = await import("./bundle.js");
  await step("bundles", bundle);
  const { writeEmbeddedGuest } = await import("../../control-plane/guest/embedded/index.js");
  await step("embedded guest", async () => writeEmbeddedGuest("dist/embedded-guest.elf"));
}
