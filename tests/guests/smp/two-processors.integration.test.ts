/** Runs the program of two processors on the real machine, with a pCPU for each: what must hold when they truly race. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectNode } from "../../../control-plane/api/connect-node.js";
import type { HostApi } from "../../../control-plane/api/index.js";
import { raceOn } from "./race.js";
import { twoProcessors } from "./two-processors.js";

/** Far more than it takes when both processors have to share one of the host's. */
const LIMIT_MS = 600_000;

let host: HostApi;

beforeAll(async () => {
  host = await connectNode({ pcpus: 2 });
});

afterAll(() => host?.close());

it("code that one changes is never stale on the other", { timeout: LIMIT_MS }, async () => {
  const { lines, expected, reason } = await raceOn(host, twoProcessors, LIMIT_MS);
  expect(lines).toEqual(expected);
  expect(reason).toBe("exit");
});
