import { expect, it } from "vitest";
import { TLB_ENTRIES, TLB_SECOND, TlbEntry } from "../../wasm-core/abi/structs/translation.js";
import { makeTestCore } from "../support/core.js";

it("neighbouring pages never share an entry of the TLB, nor a second one, and all entries are used alike", async () => {
  const { call } = await makeTestCore();
  const pages = 1 << 20;
  const uses = new Uint32Array(TLB_ENTRIES);
  let shared = 0;
  let last = call.testTlbSlot(0xffff_f000n);
  for (let page = 0; page < pages; page++) {
    const at = call.testTlbSlot((7n << 32n) | (BigInt(page) << 12n) | BigInt(page & 0xfff));
    if (at === last || at === (last ^ (TLB_SECOND * TlbEntry.size))) shared++;
    uses[at / TlbEntry.size]! += 1;
    last = at;
  }
  expect(shared).toBe(0);
  expect(new Set(uses)).toEqual(new Set([pages / TLB_ENTRIES]));
});
