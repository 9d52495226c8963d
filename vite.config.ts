/**
 * Builds the page: web-ui into dist/web, workers and wasm included, hostable under any path (base "./").
 * The dev server sends the two headers that cross-origin isolation needs, as the playground server does.
 * Under vitest only the defaults apply, so that unit tests of every folder run from the repository's root.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

export default defineConfig(({ mode }) => {
  if (process.env.VITEST) return {};
  return {
    root: fileURLToPath(new URL("web-ui", import.meta.url)),
    base: "./",
    // The simulated host is for development and for the page's own tests: a production build leaves it out.
    define: { __FAKE_HOST__: JSON.stringify(mode !== "production") },
    server: { headers: isolation },
    preview: { headers: isolation },
    worker: { format: "es" as const },
    build: {
      outDir: mode === "e2e" ? "../dist/web-e2e" : "../dist/web",
      emptyOutDir: true,
      target: "es2022",
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 1000,
    },
  };
});
