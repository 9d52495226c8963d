/** Runs programs of two processors on the real machine, with a pCPU for each: what must hold when they truly race. */
import { it } from "vitest";
import { expectRace, LIMIT_MS, WAYS } from "./race.js";
import { shootdown } from "./shootdown.js";
import { twoProcessors } from "./two-processors.js";

it("code that one changes is never stale on the other", { timeout: LIMIT_MS }, () => expectRace(twoProcessors, true));

it.each(WAYS)("a page that one takes away is not the other's any more, %s", { timeout: LIMIT_MS }, (_, jit) =>
  expectRace(shootdown, jit),
);
