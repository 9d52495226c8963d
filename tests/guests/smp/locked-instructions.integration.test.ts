/** Locked instructions of two processors that truly race, each on a pCPU: in the interpreter alone, and where there are regions. */
import { expect, it } from "vitest";
import { connectNode } from "../../../control-plane/api/connect-node.js";
import { lockedInstructions } from "./locked-instructions.js";
import { raceOn } from "./race.js";

/** Far more than it takes when both processors have to share one of the host's. */
const LIMIT_MS = 600_000;

it.each([
  ["by the interpreter", false],
  ["where some are compiled", true],
])("locked instructions lose nothing, %s", { timeout: LIMIT_MS }, async (_, jit) => {
  const host = await connectNode({ pcpus: 2, jit });
  try {
    const { lines, expected, reason } = await raceOn(host, lockedInstructions, LIMIT_MS);
    expect(lines).toEqual(expected);
    expect(reason).toBe("exit");
  } finally {
    await host.close();
  }
});
