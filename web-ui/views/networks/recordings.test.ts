/** Recordings that end by themselves: once, and not begun anew by the pieces that come while they end. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { AppContext } from "../common/index.js";
import { Recordings } from "./recordings.js";

// Of the elements only a link is needed, that is clicked.
vi.mock("../common/index.js", () => ({ h: () => ({ click: () => {} }) }));

const TARGET = { network: "lab" };

beforeEach(() => {
  vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:");
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A host whose recording hands `last` over when it is stopped. */
function recordings(last: Uint8Array) {
  let give = (_piece: Uint8Array): void => {};
  const stop = vi.fn(() => {
    give(last);
    return Promise.resolve({ frames: 1, drops: 0 });
  });
  const capture = vi.fn((_target: unknown, take: typeof give) => {
    give = take;
    return Promise.resolve(stop);
  });
  const context = { host: { capture }, announce: vi.fn(), notify: vi.fn(), fail: vi.fn() };
  const made = new Recordings(context as unknown as AppContext, () => {});
  return { made, context, capture, stop, give: (piece: Uint8Array) => give(piece) };
}

it.each([
  ["the interface is gone", new Uint8Array(0)],
  ["the page holds enough", new Uint8Array((64 << 20) + 1)],
])("a recording ends when %s", async (_why, piece) => {
  const { made, context, capture, stop, give } = recordings(new Uint8Array(8));
  await made.toggle("lab", TARGET, "lab.pcapng");
  give(new Uint8Array(8));
  expect(made.isOn("lab")).toBe(true);
  give(piece);
  await vi.waitFor(() => expect(context.notify).toHaveBeenCalledOnce());
  expect([made.isOn("lab"), capture.mock.calls.length, stop.mock.calls.length]).toEqual([false, 1, 1]);
  expect(context.fail).not.toHaveBeenCalled();
});
