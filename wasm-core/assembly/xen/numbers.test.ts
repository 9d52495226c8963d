/** Every hypercall number answers what the table in docs/hypercalls.md says. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Errno } from "../../abi/structs/xen.js";
import { machineWith } from "./testing/guests.js";

const NUMBERS = 64;
const ENOSYS = -38;
const VCPU_OP = 24;
const VCPUOP_IS_UP = 3;

/** From a number to the answer in its row: an errno, or "wired". */
function documented(): Map<number, string> {
  const text = readFileSync(new URL("../../../docs/hypercalls.md", import.meta.url), "utf8");
  const rows = text.matchAll(/^\| (\d+)(?:-(\d+))? \|[^|]*\| (wired|-E[A-Z]+) \|/gm);
  const answers = new Map<number, string>();
  for (const [, first, last, answer] of rows)
    for (let nr = Number(first); nr <= Number(last ?? first); nr++) answers.set(nr, answer as string);
  return answers;
}

const answers = documented();

describe("the table of hypercalls", () => {
  it("has every number once", () => {
    expect([...answers.keys()]).toEqual(Array.from({ length: NUMBERS }, (_, nr) => nr));
  });

  it.each(["call", "call32"] as const)("tells what %s gets", async (how) => {
    const [, guest] = await machineWith([[1, 64]]);
    for (const [nr, answer] of answers) {
      // Command 0 of vcpu_op is one that an HVM guest has not.
      const result = guest![how](nr, nr === VCPU_OP ? VCPUOP_IS_UP : 0, 0, 0);
      if (answer === "wired") expect([nr, result]).not.toEqual([nr, ENOSYS]);
      else expect([nr, result]).toEqual([nr, -Number(Errno.values[answer.slice(1) as keyof typeof Errno.values])]);
    }
  });
});
