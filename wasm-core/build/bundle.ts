/** Bundles the TypeScript parts: Node programs and workers with esbuild, the page with Vite. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Programs and workers that run in Node, by output name. */
const NODE_ENTRIES: Record<string, string> = {
  xl: "control-plane/cli/main.ts",
  guest: "control-plane/guest/main.ts",
  playground: "web-ui/server/playground.ts",
  "domain0.node": "control-plane/worker/domain0.node.ts",
  "pcpu.node": "wasm-core/worker/pcpu.node.ts",
  node: "control-plane/api/connect-node.ts",
};

async function bundleNode(): Promise<void> {
  await esbuild({
    absWorkingDir: ROOT,
    entryPoints: NODE_ENTRIES,
    outdir: "dist",
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    sourcemap: true,
    // Dependencies that are CommonJS inside ask for require().
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
}

/** Everything but the core, which must have been built. */
export async function bundle(): Promise<void> {
  if (!existsSync(`${ROOT}dist/core.wasm`)) throw new Error("dist/core.wasm is missing: build the core first");
  await bundleNode();
  await vite({ configFile: `${ROOT}vite.config.ts`, logLevel: "warn" });
}
