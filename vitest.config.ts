/**
 * Tests beside their subject and in tests/. `XENOLITH_TESTS` picks the suite: "unit" (default) leaves out what boots
 * guests or needs the network, "integration" is exactly that.
 */
import { defineConfig } from "vitest/config";

const integration = "**/*.integration.test.ts";
const suite = process.env.XENOLITH_TESTS ?? "unit";

export default defineConfig({
  test: {
    include: suite === "integration" ? [integration] : ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", ...(suite === "integration" ? [] : [integration])],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // A process for each file: a test of a booted guest measures its own, and a crash of the engine is then one file's failure.
    pool: "forks",
    maxWorkers: 2,
    reporters: process.env.CI ? ["default", "junit"] : ["default"],
    outputFile: { junit: "test-results/junit.xml" },
  },
});
