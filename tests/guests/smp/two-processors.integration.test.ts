/** Runs the program of two processors on the real machine, with a pCPU for each: what must hold when they truly race. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectNode } from "../../../control-plane/api/connect-node.js";
import type { HostApi } from "../../../control-plane/api/index.js";
import { pvhElf } from "../../../wasm-core/isa/asm/index.js";
import { Console } from "../../boot/debian.js";
import { expectedLines, ORIGIN } from "../support/program.js";
import { assembleProgram } from "../support/run.js";
import { twoProcessors } from "./two-processors.js";

/** Far more than it takes when both processors have to share one of the host's. */
const LIMIT_MS = 600_000;

let host: HostApi;

beforeAll(async () => {
  host = await connectNode({ pcpus: 2 });
});

afterAll(() => host?.close());

it("code that one changes is never stale on the other", { timeout: LIMIT_MS }, async () => {
  const kernel = pvhElf(assembleProgram(twoProcessors), ORIGIN);
  const platform = { debugcon: true, exitPort: true };
  const domid = await host.create({ name: "two", kernel, memoryMiB: 48, vcpus: 2, platform, onPoweroff: "preserve" });
  const ended = host.waitShutdown(domid);
  const console = await Console.of(host, domid, "serial");
  const last = expectedLines(twoProcessors).at(-1)!;
  await console.until(last, 0, LIMIT_MS);
  expect(console.text.split(/\r?\n/).filter((line) => line !== "")).toEqual(expectedLines(twoProcessors));
  expect((await ended).reason).toBe("exit");
});
