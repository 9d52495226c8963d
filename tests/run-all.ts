/**
 * What `npm test` runs: `npm run check`, then guests that boot, other people's tools, a real Chromium and a real Firefox.
 * Brings what it needs on Debian as root; elsewhere it says what to install and fails. It never skips.
 */
import { requirePrograms } from "./support/programs.js";
import { run } from "./support/run.js";

await requirePrograms();
await run("check", "npx", ["tsx", "tests/check.ts"]);
await run("guests, packages and tools", "npx", ["vitest", "run"], { XENOLITH_TESTS: "integration" });
await run("the page, simulated host", "npx", ["tsx", "--test", "tests/e2e/page.e2e.ts"]);
await run("the page's disks, simulated host", "npx", ["tsx", "--test", "tests/e2e/page-disks.e2e.ts"]);
await run("the page's networks, simulated host", "npx", ["tsx", "--test", "tests/e2e/page-networks.e2e.ts"]);
await run("the page, real guests", "npx", ["tsx", "--test", "tests/e2e/real.e2e.ts"]);
await run("two pages on one network, real guests", "npx", ["tsx", "--test", "tests/e2e/links.e2e.ts"]);
await run("the page's disks, a real guest", "npx", ["tsx", "--test", "tests/e2e/real-disks.e2e.ts"]);
await run("the page's way out, real guests", "npx", ["tsx", "--test", "tests/e2e/real-networks.e2e.ts"]);
await run("images in the browser", "npx", ["tsx", "--test", "tests/e2e/disks.e2e.ts"]);
await run("the page in Firefox, a real guest", "npx", ["tsx", "--test", "tests/e2e/firefox.e2e.ts"]);
