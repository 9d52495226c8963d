/**
 * `npm run check`: format, lint, types, build, unit and architecture tests, in that order; stops at the first that
 * fails and says which command to run alone.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "./support/run.js";

const SKIPPED = new Set(["node_modules", "dist", ".git", "test-results"]);

/** Every tsconfig.json in the tree. */
function projects(dir: string): string[] {
  const here = existsSync(join(dir, "tsconfig.json")) ? [join(dir, "tsconfig.json")] : [];
  const below = readdirSync(dir, { withFileTypes: true })
    .filter((e) => e.isDirectory() && !SKIPPED.has(e.name))
    .flatMap((e) => projects(join(dir, e.name)));
  return [...here, ...below];
}

await run("build", "npx", ["tsx", "wasm-core/build/build.ts"]);
await run("format and lint", "npx", ["biome", "check", "--error-on-warnings", "."]);
await run("format of the core", "npx", ["prettier", "--log-level", "warn", "--check", "wasm-core/assembly/**/*.ts"]);
// Below the root, so that no name on the way to it is in the way of a shell.
for (const project of projects(ROOT).map((path) => path.slice(ROOT.length)))
  await run(`types of ${project}`, "npx", ["tsc", "-p", project]);
await run("unit and architecture tests", "npx", ["vitest", "run"]);
