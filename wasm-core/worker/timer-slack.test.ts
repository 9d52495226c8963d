import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { slackFile, wakeInTime } from "./timer-slack.node.js";

it("a thread asks for the least slack where there is some, and does nothing elsewhere", () => {
  wakeInTime();
  // Sandboxes that stand for Linux may not have it.
  if (!existsSync("/proc/self/timerslack_ns")) return;
  expect(Number(readFileSync(slackFile(), "utf8"))).toBe(1000);
});
