/** What another process may do between two steps of opening a file. */
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { failure } from "../testing/images.js";
import { NodeFolder } from "./folder-node.js";

const between = vi.hoisted(() => ({ openAndLock: () => {} }));

vi.mock("./node-locks-node.js", async (original) => {
  const { FileLock, ...rest } = await original<typeof import("./node-locks-node.js")>();
  class LateLock extends FileLock {
    constructor(...[target, mode]: ConstructorParameters<typeof FileLock>) {
      between.openAndLock();
      super(target, mode);
    }
  }
  return { ...rest, FileLock: LateLock };
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "xenolith-folder-"));
  writeFileSync(join(root, "a.img"), "old");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Once, before the next lock. */
const meanwhile = (work: () => void): void => {
  between.openAndLock = () => {
    between.openAndLock = () => {};
    work();
  };
};

it("what is written goes to the file that has the name by then", async () => {
  const folder = new NodeFolder(root);
  meanwhile(() => {
    writeFileSync(join(root, "b.img"), "new");
    renameSync(join(root, "b.img"), join(root, "a.img"));
  });
  const file = await folder.open("a.img", "write");
  file.write(0, [new TextEncoder().encode("N")]);
  await file.close();
  expect(readFileSync(join(root, "a.img"), "utf8")).toBe("New");
  expect(readdirSync(root)).toEqual(["a.img"]);
});

it("a file that has no name any more is not opened", async () => {
  const folder = new NodeFolder(root);
  meanwhile(() => renameSync(join(root, "a.img"), join(root, "b.img")));
  expect((await failure(() => folder.open("a.img", "write"))).code).toBe("not-found");
  expect(readdirSync(root)).toEqual(["b.img"]);
});
