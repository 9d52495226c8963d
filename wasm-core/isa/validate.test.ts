/** The instruction table is sound and complete, and mistakes in it are found. */
import { describe, expect, it } from "vitest";
import { UNDEFINED } from "./families/undefined.js";
import { family, op } from "./row.js";
import { loadTable } from "./table.js";
import { tableMistakes } from "./validate.js";

describe("the instruction table", () => {
  it("has no mistakes and leaves no byte of the opcode maps open", async () => {
    expect(tableMistakes(await loadTable(), UNDEFINED)).toEqual([]);
  });

  it.each([
    ["a flags string of five letters", op("ADD Eb+ Gb", "00 /r", "mmmmm", "lock T", "add"), /flags "mmmmm"/],
    ["an unknown note", op("ADD Eb+ Gb", "00 /r", "mmmmmm", "lok T", "add"), /note "lok"/],
    ["a semantic without a function", op("ADD Eb+ Gb", "00 /r", "mmmmmm", "lock T", "ad"), /exports no ad/],
    ["a malformed encoding", op("ADD Eb+ Gb", "0 /r", "mmmmmm", "lock T", "add"), /bad opcode/],
  ])("is refused with %s", (_what, row, message) => {
    expect(tableMistakes([family("Test", "alu", "", [row])], []).join("\n")).toMatch(message);
  });

  it("is refused when two rows claim the same bytes", () => {
    const rows = [op("ADD Eb+ Gb", "00 /r", "", "T", "add"), op("OR Eb+ Gb", "00 /r", "", "T", "or")];
    expect(tableMistakes([family("Test", "alu", "", rows)], []).join("\n")).toMatch(/same bytes.*ADD.*OR/);
  });

  it("is refused when an opcode is neither a row nor declared", () => {
    expect(tableMistakes([family("Test", "alu", "", [])], UNDEFINED).join("\n")).toMatch(
      /not declared undefined: 1 00/,
    );
  });
});
