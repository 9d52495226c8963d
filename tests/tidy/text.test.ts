/** What files say and how long they are: references that exist, numbered TODOs, sizes, and words that do not belong. */
import { describe, expect, it } from "vitest";
import { LONG_FILES, LONG_FUNCTIONS } from "./exceptions.js";
import { functionsOf } from "./lib/functions.js";
import { files, isTest, lineOf, readText, type Source, sources } from "./lib/tree.js";

const FILE_LINES = 500;
const FUNCTION_LINES = 70;

const documents = files.filter((f) => f.endsWith(".md"));
/** A lock file names where packages come from as its format asks. */
const texts = files.filter((f) => /\.(ts|js|json|md|css|html|asm|sh|c)$/.test(f) && f !== "package-lock.json");

interface Remark {
  readonly where: string;
  readonly text: string;
}

const comments: readonly Remark[] = sources.flatMap((s) =>
  s.comments.map((c) => ({ where: `${s.path}:${c.line}`, text: c.text })),
);
const remarks: readonly Remark[] = [...comments, ...documents.map((f) => ({ where: f, text: readText(f) }))];

describe("references", () => {
  /** [SDM], [XZ-FORMAT], [RFC 8878]; not a link, not an index, not a memory operand. */
  const TAG = /(?<![\w\])`])\[([A-Z]{2,}(?:[- ][A-Z0-9][\w.-]*)*)\](?![(:])/g;
  const REGISTER = /^([RE]?[ABCD]X|[RE]?[SD]I|[RE]?[SB]P|R(8|9|1\d)|CR\d|DR\d|[C-GS]S)$/;
  const listed = new Set([...readText("REFERENCES.md").matchAll(/^\| \[([^\]]+)\] \|/gm)].map((m) => m[1]!));
  const used = remarks
    .filter((r) => r.where !== "REFERENCES.md")
    .flatMap((r) => [...r.text.matchAll(TAG)].map((m) => ({ where: r.where, tag: m[1]! })))
    .filter((u) => !REGISTER.test(u.tag));

  it("are listed in REFERENCES.md", () => {
    expect(used.filter((u) => !listed.has(u.tag)).map((u) => `${u.where} [${u.tag}]`)).toEqual([]);
  });

  it("are listed only when used", () => {
    expect([...listed].filter((tag) => !used.some((u) => u.tag === tag))).toEqual([]);
  });

  it("to documents of this project name documents that exist", () => {
    const wrong = remarks.flatMap((r) =>
      [...r.text.matchAll(/(?<![\w/.*<:-])((?:[\w-]+\/)*[\w-]+\.md)\b/g)]
        .map((m) => m[1]!)
        .filter((name) => !documents.some((d) => d === name || d.endsWith(`/${name}`)))
        .map((name) => `${r.where} ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it("in documents lead somewhere", () => {
    const wrong = documents.flatMap((d) => {
      const folder = d.includes("/") ? d.slice(0, d.lastIndexOf("/") + 1) : "";
      return [...readText(d).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((m) => new URL(folder + m[1]!, "file:///").pathname.slice(1).replace(/\/$/, ""))
        .filter((target) => !files.some((f) => f === target || f.startsWith(`${target}/`)))
        .map((target) => `${d} -> ${target}`);
    });
    expect(wrong).toEqual([]);
  });
});

describe("words", () => {
  const found = (pattern: RegExp, of: readonly string[] = texts): string[] =>
    of.flatMap((f) => {
      const text = readText(f);
      return [...text.matchAll(pattern)].map((m) => `${f}:${lineOf(text, m.index)} ${m[0]}`);
    });

  it("TODO and the like have a number", () => {
    const wrong = comments.flatMap((c) =>
      [...c.text.matchAll(/\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/g)].map((m) => `${c.where} ${m[0]}`),
    );
    expect(wrong.filter((w) => !w.startsWith("tests/tidy/"))).toEqual([]);
  });

  it("name no package registry", () => {
    // Spelled in pieces, or this file would name them.
    const hosts = ["registry\\.npm" + "js", "npm" + "js\\.org", "registry\\.yarn" + "pkg", "deb\\.debian" + "\\.org"];
    expect(found(new RegExp(hosts.join("|"), "g"), [...texts, "package-lock.json"])).toEqual([]);
  });

  it("name no place on somebody's machine", () => {
    const places = found(/(?<![\w.$/-])\/(?:work|home|root|Users)\/[\w./-]+/g);
    expect(places.filter((p) => !/\/home\/(you|u)\b/.test(p))).toEqual([]);
  });

  it("cite only documents that a reader has", () => {
    const wrong = remarks.flatMap((r) => [...r.text.matchAll(/\b(DESIGN|STYLE)\b/g)].map((m) => `${r.where} ${m[0]}`));
    expect(wrong.filter((w) => !w.startsWith("tests/tidy/"))).toEqual([]);
  });

  it("silence no checker without a reason", () => {
    const wrong = comments.filter(
      (c) => /@ts-(ignore|nocheck|expect-error)\b(?!: \w)/.test(c.text) || /biome-ignore [^:]*(:\s*)?$/.test(c.text),
    );
    expect(wrong.map((c) => c.where).filter((w) => !w.startsWith("tests/tidy/"))).toEqual([]);
  });
});

describe("files", () => {
  const lines = (s: Source): number => s.text.replace(/\n$/, "").split("\n").length;

  it(`have at most ${FILE_LINES} lines`, () => {
    const long = sources.filter((s) => lines(s) > (LONG_FILES[s.path] ?? FILE_LINES));
    expect(long.map((s) => `${s.path}: ${lines(s)} lines`)).toEqual([]);
  });

  it("need each exception from that", () => {
    const long = sources.filter((s) => lines(s) > FILE_LINES).map((s) => s.path);
    expect(Object.keys(LONG_FILES).filter((f) => !long.includes(f))).toEqual([]);
  });

  it("begin with what they are", () => {
    const silent = sources.filter((s) => !/^(#!.*\n)?\s*\/[/*]/.test(s.text) && !isTest(s.path));
    // A front door that only re-exports needs no more than its folder's name.
    expect(silent.filter((s) => !s.path.endsWith("/index.ts")).map((s) => s.path)).toEqual([]);
  });
});

describe("functions", () => {
  const long = sources
    .filter((s) => !isTest(s.path))
    .flatMap((s) => functionsOf(s.code).map((f) => ({ ...f, key: `${s.path} ${f.name}` })))
    .filter((f) => f.lines > FUNCTION_LINES);

  it(`have at most ${FUNCTION_LINES} lines`, () => {
    const wrong = long.filter((f) => f.lines > (LONG_FUNCTIONS[f.key] ?? 0));
    expect(wrong.map((f) => `${f.key}, line ${f.line}: ${f.lines} lines`)).toEqual([]);
  });

  it("need each exception from that", () => {
    expect(Object.keys(LONG_FUNCTIONS).filter((key) => !long.some((f) => f.key === key))).toEqual([]);
  });

  it("are found with their lengths", () => {
    const code = "function a(x: { y: number }): { z: number } {\n  return x;\n}\nconst b = () => {\n\n};\n";
    expect(functionsOf(code).map((f) => [f.name, f.lines])).toEqual([
      ["a", 3],
      ["b", 3],
    ]);
  });
});
