/** Locked instructions of two processors that truly race, each on a pCPU: in the interpreter alone, and where there are regions. */
import { it } from "vitest";
import { lockedInstructions } from "./locked-instructions.js";
import { expectRace, LIMIT_MS, WAYS } from "./race.js";

it.each(WAYS)("locked instructions lose nothing, %s", { timeout: LIMIT_MS }, (_, jit) =>
  expectRace(lockedInstructions, jit),
);
