/** Domain0 uses a guest page's machine address only while it has the page pinned: later it may be another domain's. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FakeCore } from "../core-link/fake.js";
import { domainView, PAGE_BYTES } from "../core-link/index.js";
import { dumpCore } from "./core-dump.js";
import { GuestMemory } from "./guest-memory.js";

const DOMID = 3;
const PAGES = 8;

describe("a guest's pages in Domain0's hands", () => {
  let core: FakeCore;
  let pins: Map<number, number>;
  const pinned = (address: number) => pins.has(address - (address % PAGE_BYTES));

  beforeEach(() => {
    core = new FakeCore();
    pins = new Map();
    expect(core.calls.domainCreate(DOMID, 1, PAGES)).toBe(0);
    core.calls.domainAddRam(DOMID, 0, PAGES);
    const domain = domainView(core, DOMID)!;
    domain.set("ramRanges", 1);
    domain.set("ram", PAGES, 1);
    const count = (address: number, by: number) => {
      const pinned = (pins.get(address) ?? 0) + by;
      if (pinned === 0) pins.delete(address);
      else pins.set(address, pinned);
    };
    for (const name of ["domainPin", "domainHold"] as const) {
      const take = core.calls[name];
      vi.spyOn(core.calls, name).mockImplementation((domid, gfn) => {
        const address = take(domid, gfn);
        if (address !== 0) count(address, 1);
        return address;
      });
    }
    vi.spyOn(core.calls, "domainUnpin").mockImplementation((address) => count(address, -1));
  });

  it("are pinned while they are written, and afterwards no more", () => {
    const write = vi.spyOn(core.memory, "write").mockImplementation((address) => {
      expect(pinned(address)).toBe(true);
    });
    const memory = new GuestMemory(core, DOMID);
    expect(memory.write(PAGE_BYTES - 8, new Uint8Array(2 * PAGE_BYTES).fill(7))).toBe(true);
    expect(write).toHaveBeenCalledTimes(3);
    expect(memory.write((PAGES - 1) * PAGE_BYTES, new Uint8Array(PAGE_BYTES + 1).fill(7))).toBe(false);
    expect(pins.size).toBe(0);
  });

  it("are pinned while a dump reads them, and afterwards no more", () => {
    const memory = new GuestMemory(core, DOMID);
    memory.write(2 * PAGE_BYTES, new Uint8Array(2 * PAGE_BYTES).fill(9));
    const pages = new Set([2, 3].map((gfn) => core.calls.domainPeek(DOMID, gfn)));
    const bytes = core.memory.bytes.bind(core.memory);
    let reads = 0;
    vi.spyOn(core.memory, "bytes").mockImplementation((address, length) => {
      if (pages.has(address)) {
        expect(pinned(address)).toBe(true);
        reads++;
      }
      return bytes(address, length);
    });
    const chunks = [...dumpCore(core, DOMID)];
    expect(chunks.at(-1)).toEqual(new Uint8Array(2 * PAGE_BYTES).fill(9));
    expect(reads).toBe(2);
    expect(pins.size).toBe(0);
  });
});
