import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { plansOf } from "./plans.js";

let folder: string;

/** An empty cache, and a mirror that nobody serves. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xl-default-"));
  vi.stubEnv("XDG_CACHE_HOME", folder);
  vi.stubEnv("XENOLITH_MIRROR", "http://127.0.0.1:9");
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

test("a command needs Linux: no other guest takes its place", async () => {
  await expect(plansOf([], { default: true, exec: "uname" })).rejects.toThrow(
    /default guest cannot be prepared: No package source can be reached/,
  );
});
