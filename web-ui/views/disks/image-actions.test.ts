import { expect, it, vi } from "vitest";
import type { ImageNode } from "../../../control-plane/api/index.js";
import { ImageJobs } from "../../state/index.js";
import type { AppContext } from "../common/index.js";
import { ImageActions } from "./image-actions.js";

vi.mock("../common/index.js", () => ({ confirmAction: async () => true }));

const node = (name: string, children: readonly ImageNode[] = []): ImageNode => ({
  name,
  info: { name, format: "vhd", kind: "dynamic", sizeBytes: 512, fileBytes: 512, modifiedMs: 0 },
  problem: null,
  children,
});

/** Merges `a.vhd` into `s.vhd` while `during` happens; answers what the page says. */
async function merge(during: (jobs: ImageJobs) => Promise<void>): Promise<string[]> {
  const said: string[] = [];
  const top = node("a.vhd");
  const jobs = new ImageJobs(() => 0);
  const context = {
    jobs,
    shelf: { trees: [node("s.vhd", [top])], names: new Set(), usesOf: () => [], look: async () => {} },
    host: { imageJob: () => during(jobs) },
    announce: (text: string) => void said.push(text),
    fail: () => void said.push("failed"),
  };
  const actions = new ImageActions(context as unknown as AppContext, () => {}).of(top);
  await actions.find(({ label }) => label === "Merge down")!.run();
  return said;
}

it("a merge is said to be done when it is, and not when it was cancelled", async () => {
  expect(await merge(async () => {})).toEqual(["a.vhd and s.vhd merged"]);
  const cancelled = merge(async (jobs) => {
    jobs.running.get()[0]!.cancel();
    throw new Error("the merge was cancelled");
  });
  expect(await cancelled).toEqual(["The merge of a.vhd was cancelled"]);
});
