import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { applyOverrides, type Cfg, CfgSyntaxError, type CfgValue, isOverride, parseCfg } from "./index.js";

type Plain = string | number | Plain[];

function plain(value: CfgValue): Plain {
  if (value.kind === "list") return value.items.map(plain);
  return value.kind === "number" ? value.value : value.text;
}

function plainCfg(cfg: Cfg): Record<string, Plain> {
  return Object.fromEntries([...cfg].map(([key, { value }]) => [key, plain(value)]));
}

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(CfgSyntaxError);
    return (error as CfgSyntaxError).message;
  }
  throw new Error("no error");
}

describe("what xl.cfg allows", () => {
  test.each<[string, Record<string, Plain>]>([
    ["", {}],
    ["# nothing\n\n  ; ;\n", {}],
    ["\uFEFFmemory = 256", { memory: 256 }],
    ["memory=0x100\r\nvcpus = 2 # two\n", { memory: 256, vcpus: 2 }],
    ["n = -3", { n: -3 }],
    [`name = "web"; type='pvh'`, { name: "web", type: "pvh" }],
    [String.raw`s = "a\"b\\c\n\t\x41\101\033[0m\'"`, { s: "a\"b\\c\n\tAA\x1b[0m'" }],
    [`s = 'say "hi"#;'`, { s: 'say "hi"#;' }],
    ["l = []", { l: [] }],
    ["l = [ ]\nm = 1", { l: [], m: 1 }],
    [`disk = [\n  'a,b', # first\n  "c",\n]`, { disk: ["a,b", "c"] }],
    [
      `l = [ [1, 2], ["x", []], ]`,
      {
        l: [
          [1, 2],
          ["x", []],
        ],
      },
    ],
    ["memory = 1\nmemory = 2", { memory: 2 }],
    [`extra = "a"\nextra += " b"`, { extra: "a b" }],
    [`l = ["a"]\nl += ["b", "c"]\nl += "d"`, { l: ["a", "b", "c", "d"] }],
    [`l += ["a"]`, { l: ["a"] }],
  ])("%j", (text, expected) => {
    expect(plainCfg(parseCfg(text, "t.cfg"))).toEqual(expected);
  });

  it("knows where each key and value stands", () => {
    const setting = parseCfg('\n  name = "web"', "t.cfg").get("name")!;
    expect(setting.at).toEqual({ source: "t.cfg", line: 2, column: 3 });
    expect(setting.value.at).toEqual({ source: "t.cfg", line: 2, column: 10 });
  });
});

describe("what it does not allow, and how that is said", () => {
  test.each<[string, string]>([
    ["memory", 't.cfg:1:7: found the end of the file, expected "=" or "+=" after memory'],
    ["\nmemory 256", 't.cfg:2:8: found "256", expected "=" or "+=" after memory'],
    [
      "memory =",
      't.cfg:1:9: found the end of the file, expected a value: a number, a string in quotes, or a list in "[" and "]"',
    ],
    [
      "memory = ; vcpus = 1",
      't.cfg:1:10: found ";", expected a value: a number, a string in quotes, or a list in "[" and "]"',
    ],
    ["name = web", 't.cfg:1:8: found "web", expected a value; if it is a string, put quotes around it: "web"'],
    ["memory = 256M", 't.cfg:1:10: "256M" is not a number; if it is a string, put quotes around it'],
    ["memory = 99999999999999999", "t.cfg:1:10: the number 99999999999999999 is too large"],
    ["memory = 1 vcpus = 2", 't.cfg:1:12: found "vcpus", expected the end of the line or ";" after the value'],
    ['name = "web\nmemory = 1', 't.cfg:1:8: this string has no end: expected " before the end of the line'],
    ["name = 'web", "t.cfg:1:8: this string has no end: expected ' before the end of the line"],
    [
      String.raw`s = "a\q"`,
      String.raw`t.cfg:1:7: "\q" is no escape: expected \\, \", \', \n, \t, \xHH or an octal number`,
    ],
    ['disk = [ "a"', 't.cfg:1:8: this list has no end: expected "]" before the end of the file'],
    ['disk = [ "a" "b" ]', 't.cfg:1:14: found a string, expected "," or "]" after an item of the list'],
    ["disk = [ , ]", 't.cfg:1:10: found ",", expected a value: a number, a string in quotes, or a list in "[" and "]"'],
    ["disk = [ a ]", 't.cfg:1:10: found "a", expected a value; if it is a string, put quotes around it: "a"'],
    ['"name" = 1', "t.cfg:1:1: found a string, expected the name of a setting, as in memory = 256"],
    ["= 1", 't.cfg:1:1: found "=", expected the name of a setting, as in memory = 256'],
    ["a = 1\n{", 't.cfg:2:1: "{" has no meaning here'],
    ["a = \u{1}", "t.cfg:1:5: the character U+0001 has no meaning here"],
    ["a = 1\na += 2", "t.cfg:2:6: a number cannot be added: a holds a number since t.cfg:1:1"],
    [`a = ${"[".repeat(100)}`, "t.cfg:1:69: lists are nested deeper than 64"],
  ])("%j", (text, message) => {
    expect(messageOf(() => parseCfg(text, "t.cfg"))).toBe(message);
  });

  it("a string cannot become a list", () => {
    expect(messageOf(() => parseCfg('a = "x"\na += ["y"]', "t.cfg"))).toBe(
      "t.cfg:2:6: a list cannot be added: a holds a string since t.cfg:1:1",
    );
  });
});

describe("settings on the command line", () => {
  const base = parseCfg('name = "a"\nextra = "x"\ndisk = ["d"]', "t.cfg");

  test.each<[string[], Record<string, Plain>]>([
    [["memory=256"], { memory: 256 }],
    [["name=web"], { name: "web" }],
    [['name="web 2"'], { name: "web 2" }],
    [["cmdline=console=hvc0 root=/dev/xvda"], { cmdline: "console=hvc0 root=/dev/xvda" }],
    [["extra+= y"], { extra: "x y" }],
    [["disk+=e"], { disk: ["d", "e"] }],
    [['disk=["p", "q"]'], { disk: ["p", "q"] }],
    [["uuid=0f9d2e5a-0000-4000-8000-000000000001"], { uuid: "0f9d2e5a-0000-4000-8000-000000000001" }],
    [["memory=1", "memory=2"], { memory: 2 }],
    [["name="], { name: "" }],
  ])("%j", (overrides, expected) => {
    expect(plainCfg(applyOverrides(base, overrides))).toMatchObject(expected);
  });

  it("says what is wrong with one", () => {
    expect(messageOf(() => applyOverrides(base, ["disk=[1"]))).toBe(
      'command line "disk=[1":1:6: this list has no end: expected "]" before the end of the file',
    );
  });

  it("tells settings from file names", () => {
    expect(isOverride("memory=1")).toBe(true);
    expect(isOverride("extra+=x")).toBe(true);
    expect(isOverride("./a=b.cfg")).toBe(false);
    expect(isOverride("guest.cfg")).toBe(false);
  });
});

describe("random text", () => {
  const words = [
    "=",
    "+=",
    "[",
    "]",
    ",",
    ";",
    "\n",
    "#",
    '"',
    "'",
    "\\",
    "a",
    "name",
    "1",
    "0x",
    "-",
    " ",
    "\u{1F600}",
  ];
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join("")),
  );

  it("is read or refused with a place inside the text", () => {
    fc.assert(
      fc.property(texts, (text) => {
        try {
          parseCfg(text, "t.cfg");
        } catch (error) {
          if (!(error instanceof CfgSyntaxError)) throw error;
          const line = text.replace(/^\uFEFF/, "").split("\n")[error.at.line - 1];
          expect(line).toBeDefined();
          expect(error.at.column).toBeGreaterThanOrEqual(1);
          expect(error.at.column).toBeLessThanOrEqual(line!.length + 1);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("comes back from what is written of it", () => {
    const values: fc.Arbitrary<Plain> = fc.letrec<{ value: Plain }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.maxSafeInteger(),
        fc.string(),
        fc.array(tie("value"), { maxLength: 4 }) as fc.Arbitrary<Plain>,
      ),
    })).value;
    const write = (value: Plain): string =>
      Array.isArray(value)
        ? `[${value.map(write).join(", ")}]`
        : typeof value === "string"
          ? `"${value.replace(/["\\]/g, "\\$&")}"`
          : String(value);
    fc.assert(
      fc.property(values, (value) => {
        expect(plainCfg(parseCfg(`key = ${write(value)}`, "t.cfg"))).toEqual({ key: value });
      }),
    );
  });
});
