import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ImageJobs } from "../../state/index.js";

beforeEach(() => vi.stubGlobal("HTMLElement", class {}));
afterEach(() => vi.unstubAllGlobals());

/** A page whose person chose a file that `write` makes of what is exported. */
async function pageWith(write: (chunk: Uint8Array) => void) {
  const handle = { createWritable: async () => new WritableStream<Uint8Array>({ write }) };
  vi.stubGlobal("window", { showSaveFilePicker: async () => handle });
  const calls: string[] = [];
  const said: string[] = [];
  const context = {
    jobs: new ImageJobs(() => 0),
    host: {
      imageJob: async (call: string) => {
        calls.push(call);
        return new Blob([new Uint8Array(1000)]);
      },
      image: async (call: string) => void calls.push(call),
    },
    announce: (text: string) => void said.push(text),
    fail: (error: { readonly title: string }) => void said.push(error.title),
  };
  const { saveImage } = await import("./transfer-actions.js");
  const save = () => saveImage(context as unknown as Parameters<typeof saveImage>[0], "a.vhd", "raw", "a.raw");
  return { save, calls, said, jobs: context.jobs };
}

it("an export gives its copy back when it is written", async () => {
  const { save, calls, said } = await pageWith(() => {});
  await save();
  expect([calls, said]).toEqual([["export", "exported"], ["a.raw exported"]]);
});

it("an export gives its copy back when the person's disk is full", async () => {
  const { save, calls, said } = await pageWith(() => {
    throw new Error("no space");
  });
  await save();
  expect([calls, said]).toEqual([["export", "exported"], ["Exporting a.vhd failed"]]);
});

it("an export gives its copy back when it is cancelled", async () => {
  const page = await pageWith(() => page.jobs.running.get()[0]!.cancel());
  await page.save();
  expect([page.calls, page.said]).toEqual([["export", "exported"], ["The export of a.raw was cancelled"]]);
});
