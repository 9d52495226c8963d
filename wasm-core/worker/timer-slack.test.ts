import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { slackFile, wakeInTime } from "./timer-slack.node.js";

it("a thread asks for the least slack where there is some, and does nothing elsewhere", () => {
  wakeInTime();
  if (process.platform !== "linux") return;
  const file = slackFile();
  expect(existsSync(file)).toBe(true);
  expect(Number(readFileSync(file, "utf8"))).toBe(1000);
});
