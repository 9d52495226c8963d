/** Every row has an oracle, and docs/coverage.md says which. */
import { describe, expect, it } from "vitest";
import { loadTable } from "../../wasm-core/isa/table.js";
import { coverageDocument, coverageOf } from "./coverage.js";
import { QEMU_DIFFERENCES } from "./legacy/differences.js";

const coverage = coverageOf(await loadTable());

describe("the instruction table", () => {
  it("has no row that nothing shows right", () => {
    expect(coverage.families.flatMap((f) => f.open)).toEqual([]);
  });

  it("is covered as the document says", async () => {
    const text = coverageDocument(
      coverage,
      QEMU_DIFFERENCES.map((d) => d.why),
    );
    await expect(text).toMatchFileSnapshot("../../docs/coverage.md");
  });
});
