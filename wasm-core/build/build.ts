/**
 * Builds everything: generated sources, the core, and the bundles of Domain0, the command line and the page.
 * `--core-only` stops after the core; `--fast` compiles it without optimisation.
 */
import { compileCore } from "./compile.js";
import { writeLayout } from "./gen-layout.js";
import { writeTable } from "./gen-table.js";

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
await step("core", () =>
  compileCore({
    entry: "wasm-core/assembly/index.ts",
    out: "dist/core.wasm",
    optimize: flags.has("--fast") ? 0 : 3,
    text: flags.has("--text"),
  }),
);
if (!flags.has("--core-only")) {
  const { bundle } = await import("./bundle.js");
  await step("bundles", bundle);
  const { writeEmbeddedGuest } = await import("../../control-plane/guest/embedded/index.js");
  await step("embedded guest", async () => writeEmbeddedGuest("dist/embedded-guest.elf"));
}
