/** A process is killed while it writes, snapshots and merges; what it said was flushed is there. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SECTOR_BYTES } from "./disk.js";
import { NodeFolder } from "./folders/folder-node.js";
import { recoverFolder } from "./notes.js";
import { checkImage } from "./operations/check.js";
import { imageContents, testImages } from "./testing/images.js";

const ROUNDS = 4000;
const KILLS = 12;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xenolith-kill-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the writer from a round on and kills it some rounds later; answers the last round that it told. */
function killAfter(first: number, rounds: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL("../../control-plane/storage/testing/kill-writer.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, folder, String(first)]);
    let told = first - 1;
    let rest = "";
    let errors = "";
    child.stderr.on("data", (text: Buffer) => {
      errors += text;
    });
    child.stdout.on("data", (text: Buffer) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      if (lines.length > 0) told = Number(lines.at(-1));
      if (told >= first + rounds) child.kill("SIGKILL");
    });
    child.on("close", () => (errors === "" ? resolve(told) : reject(new Error(errors))));
  });
}

it("what was flushed is there after the process was killed", async () => {
  let told = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    told = await killAfter(told + 1, 3 + kill * 7);
    const nodeFolder = new NodeFolder(folder);
    await recoverFolder(nodeFolder);
    const images = testImages({ folder: nodeFolder });
    expect((await checkImage(images, "disk.vhd")).filter((f) => f.severity === "error")).toEqual([]);
    const words = new Uint32Array((await imageContents(images, "disk.vhd")).buffer);
    const lost: number[] = [];
    for (let round = 1; round <= told; round++) {
      const sector = ((round * 1009) % ROUNDS) * 16 + (round % 7);
      const at = (sector * SECTOR_BYTES) / 4;
      if (!words.subarray(at, at + (3 * SECTOR_BYTES) / 4).every((word) => word === round)) lost.push(round);
    }
    expect(lost, `after kill ${kill}, ${told} rounds`).toEqual([]);
  }
  expect(told).toBeGreaterThan(300);
});
