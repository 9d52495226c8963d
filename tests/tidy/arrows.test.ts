/** Which folder may import which: dependencies point one way, and a folder is entered by its index.ts. */
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { ARROWS, SIDE_DOORS } from "./exceptions.js";
import { isAssembly, isTest, type Source, sourceAt, sources } from "./lib/tree.js";

const ABI = "wasm-core/abi";

/**
 * What each folder may import besides itself. The longest name that fits a file is its folder here. Files of assembly
 * have an order of their own: layers.test.ts.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "wasm-core/abi": [],
  "wasm-core/isa": [],
  "wasm-core/jit": [ABI, "wasm-core/isa"],
  "wasm-core/worker": [ABI, "wasm-core/jit"],
  "wasm-core/build": [ABI, "wasm-core/isa"],
  "control-plane/util": [],
  "control-plane/formats": ["control-plane/util"],
  "control-plane/storage": ["control-plane/formats", "control-plane/util"],
  "control-plane/core-link": [ABI, "wasm-core/worker"],
  "control-plane/evtchn": [ABI, "control-plane/core-link", "control-plane/util"],
  "control-plane/gnttab": [ABI, "control-plane/core-link", "control-plane/util"],
  "control-plane/ring": [ABI, "control-plane/core-link", "control-plane/util"],
  "control-plane/xenstore": [ABI, "control-plane/core-link", "control-plane/ring", "control-plane/util"],
  "control-plane/backends/backend.ts": [
    "control-plane/core-link",
    "control-plane/evtchn",
    "control-plane/gnttab",
    "control-plane/util",
  ],
  "control-plane/xenbus": ["control-plane/backends/backend.ts", "control-plane/util", "control-plane/xenstore"],
  "control-plane/net/addresses.ts": [],
  "control-plane/net/sum.ts": [],
  "control-plane/net/listener-node.ts": [],
  "control-plane/net/packet.ts": ["control-plane/core-link", "control-plane/net/sum.ts"],
  "control-plane/net/station.ts": ["control-plane/net/packet.ts"],
  "control-plane/net/outside": ["control-plane/util"],
  "control-plane/net/offload": ["control-plane/core-link", "control-plane/net/packet.ts", "control-plane/net/sum.ts"],
  "control-plane/net/capture": ["control-plane/net/packet.ts", "control-plane/util"],
  "control-plane/net/switch": [
    "control-plane/net/addresses.ts",
    "control-plane/net/capture",
    "control-plane/net/offload",
    "control-plane/net/packet.ts",
    "control-plane/net/station.ts",
    "control-plane/util",
  ],
  "control-plane/net/link": [
    "control-plane/net/capture",
    "control-plane/net/listener-node.ts",
    "control-plane/net/offload",
    "control-plane/net/packet.ts",
    "control-plane/net/station.ts",
    "control-plane/util",
  ],
  "control-plane/net": [
    "control-plane/core-link",
    "control-plane/net/addresses.ts",
    "control-plane/net/capture",
    "control-plane/net/link",
    "control-plane/net/listener-node.ts",
    "control-plane/net/offload",
    "control-plane/net/outside",
    "control-plane/net/packet.ts",
    "control-plane/net/station.ts",
    "control-plane/net/sum.ts",
    "control-plane/net/switch",
    "control-plane/util",
  ],
  "control-plane/backends": [
    ABI,
    "control-plane/backends/backend.ts",
    "control-plane/core-link",
    "control-plane/evtchn",
    "control-plane/gnttab",
    "control-plane/net",
    "control-plane/ring",
    "control-plane/storage",
    "control-plane/util",
    "control-plane/xenbus",
  ],
  "control-plane/api/types.ts": ["control-plane/api/network-types.ts", "control-plane/storage"],
  "control-plane/api/network-types.ts": [],
  "control-plane/api/limits.ts": ["control-plane/api/types.ts"],
  "control-plane/api/vdev.ts": [],
  "control-plane/domain": [
    ABI,
    "control-plane/api/limits.ts",
    "control-plane/api/types.ts",
    "control-plane/api/vdev.ts",
    "control-plane/backends",
    "control-plane/backends/backend.ts",
    "control-plane/core-link",
    "control-plane/evtchn",
    "control-plane/formats",
    "control-plane/gnttab",
    "control-plane/net",
    "control-plane/storage",
    "control-plane/util",
    "control-plane/xenbus",
    "control-plane/xenstore",
  ],
  "control-plane/worker": [
    ABI,
    "control-plane/api",
    "control-plane/core-link",
    "control-plane/domain",
    "control-plane/net",
    "control-plane/net/link",
    "control-plane/net/outside",
    "control-plane/storage",
    "control-plane/util",
    "wasm-core/worker",
  ],
  "control-plane/api": [
    ABI,
    "control-plane/api/limits.ts",
    "control-plane/api/types.ts",
    "control-plane/api/vdev.ts",
    "control-plane/core-link",
    "control-plane/domain",
    "control-plane/storage",
    "control-plane/util",
  ],
  "control-plane/api/relay-node.ts": ["control-plane/net", "control-plane/net/outside"],
  "control-plane/api/switch-node.ts": ["control-plane/net", "control-plane/net/link"],
  // Starts the workers: the bundlers follow the URL.
  "control-plane/api/connect-browser.ts": ["control-plane/api", "control-plane/api/types.ts", "control-plane/worker"],
  "control-plane/guest/embedded": [ABI, "wasm-core/isa"],
  "control-plane/guest": [
    "control-plane/formats",
    "control-plane/guest/embedded",
    "control-plane/storage",
    "control-plane/util",
  ],
  "control-plane/cli": [
    "control-plane/api",
    "control-plane/api/relay-node.ts",
    "control-plane/api/switch-node.ts",
    "control-plane/api/types.ts",
    "control-plane/guest",
    "control-plane/storage",
  ],
  "web-ui/state": ["control-plane/api"],
  "web-ui/terminal": ["control-plane/api", "web-ui/state"],
  "web-ui/link": ["control-plane/api", "control-plane/api/connect-browser.ts", "web-ui/state"],
  "web-ui/views": ["control-plane/api", "web-ui/state", "web-ui/terminal"],
  "web-ui/server": ["control-plane/api", "control-plane/guest"],
  "web-ui/main.ts": ["web-ui/link", "web-ui/state", "web-ui/styles", "web-ui/views"],
};
const FOLDERS = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length);
/** Of these, tests/ may import anything: it drives the parts from outside, and compiles the core for itself. */
const TESTS_MAY_IMPORT =
  /^(tests|control-plane\/(api|backends|cli|guest|util|formats|domain|core-link|net|ring|storage|xenbus)|web-ui\/server|wasm-core\/(abi|isa|build|jit|worker))\//;

const within = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
const folderOf = (path: string): string | undefined => FOLDERS.find((f) => within(path, f));
/** Tests, their support, and the fakes of the page's development build. */
const isForTests = (path: string): boolean =>
  isTest(path) || /\/testing\/|\/test-support\.ts$|\.entry\.ts$|\/fake(-[a-z]+)?\.ts$/.test(path);

const arrows = sources
  .filter((s) => !isAssembly(s))
  .flatMap((s) => s.imports.map((i) => ({ from: s.path, ...i })))
  .filter((a): a is typeof a & { file: string } => a.file !== undefined && sourceAt.has(a.file));

function isAllowed(from: string, to: string): boolean {
  if (within(from, "tests")) return TESTS_MAY_IMPORT.test(to);
  const a = folderOf(from);
  const b = folderOf(to);
  if (a === b && a !== undefined) return true;
  // A test beside its subject may use what is inside the same part.
  if (isForTests(from) && from.split("/")[0] === to.split("/")[0]) return true;
  return a !== undefined && b !== undefined && MAY_IMPORT[a]!.includes(b);
}

/** The outermost folder with an index.ts that `file` is in and `from` is not; undefined when there is none. */
function closedFolder(from: string, file: string): string | undefined {
  const parts = file.split("/");
  for (let n = 1; n < parts.length; n++) {
    const folder = parts.slice(0, n).join("/");
    if (sourceAt.has(`${folder}/index.ts`) && !within(from, folder)) return folder;
  }
  return undefined;
}

/** "importing folder -> file" for an import that goes past an index.ts. */
function sideDoor(s: Source, file: string): string | undefined {
  const closed = closedFolder(s.path, file);
  if (closed === undefined || file === `${closed}/index.ts`) return undefined;
  const depth = isAssembly(s) ? 3 : 2;
  return `${dirname(s.path).split("/").slice(0, depth).join("/")} -> ${file}`;
}

describe("arrows", () => {
  it("point only where the table allows", () => {
    const wrong = arrows
      .filter((a) => !isAllowed(a.from, a.file) && ARROWS[`${a.from} -> ${folderOf(a.file)}`] === undefined)
      .map((a) => `${a.from}:${a.line} imports ${a.file}`);
    expect(wrong).toEqual([]);
  });

  it("name folders that exist", () => {
    const known = (folder: string): boolean =>
      sources.some((s) => within(s.path, folder)) || folder === "web-ui/styles";
    expect([...FOLDERS, ...Object.values(MAY_IMPORT).flat()].filter((f) => !known(f))).toEqual([]);
  });

  it("need each of their exceptions", () => {
    const used = arrows.filter((a) => !isAllowed(a.from, a.file)).map((a) => `${a.from} -> ${folderOf(a.file)}`);
    expect(Object.keys(ARROWS).filter((e) => !used.includes(e))).toEqual([]);
  });

  it("leave Node's modules to what runs in Node", () => {
    const browserToo =
      /^(wasm-core\/(abi|worker)|control-plane\/(api|core-link|domain|worker|xenstore|xenbus|ring|backends|evtchn|gnttab|formats|storage|util)|web-ui\/(?!server))/;
    const wrong = sources
      .filter((s) => browserToo.test(s.path) && !isForTests(s.path) && !/[.-]node\.ts$|\/test-support/.test(s.path))
      .flatMap((s) =>
        s.imports.filter((i) => i.specifier.startsWith("node:")).map((i) => `${s.path}:${i.line} ${i.specifier}`),
      );
    expect(wrong).toEqual([]);
  });
});

describe("doors", () => {
  const past = sources
    .filter((s) => !isForTests(s.path) && !within(s.path, "tests"))
    .flatMap((s) =>
      s.imports.map((i) => (i.file !== undefined && sourceAt.has(i.file) ? sideDoor(s, i.file) : undefined)),
    )
    .filter((d) => d !== undefined);

  it("are index.ts", () => {
    expect([...new Set(past)].filter((d) => SIDE_DOORS[d] === undefined)).toEqual([]);
  });

  it("need each of their exceptions", () => {
    expect(Object.keys(SIDE_DOORS).filter((d) => !past.includes(d))).toEqual([]);
  });
});
