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
for (const project of projects(ROOT))
  await run(`types of ${project.slice(ROOT.length)}`, "npx", ["tsc", "-p", project]);
await run("unit and architecture tests", "npx", ["vitest", "run"]);
