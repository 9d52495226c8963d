/** A host is killed while its guest writes: the files that the guest has synced are whole, and the file system needs no more than its journal. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import { BOOT_MS } from "./debian.js";

const DURABLE = /^durable (f\d+) ([0-9a-f]{64})\r?$/gm;
/** Files that are durable before the first kill, and how many more before each further one. */
const KILLS = [5, 60];
/** What e2fsck says of a file system that was clean once its journal was replayed. */
const CLEAN_OR_REPLAYED = [0, 1];

const SCRIPT = fileURLToPath(new URL("../../tests/boot/killed-host.ts", import.meta.url));

/** Runs the host until its guest has told of so many files; answers all that it told by the end, with their sums. */
function killAfter(folder: string, files: number): Promise<Map<string, string>> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", SCRIPT, folder]);
    let text = "";
    let errors = "";
    const told = () => [...text.matchAll(DURABLE)];
    child.stderr.on("data", (data: Buffer) => {
      errors += data;
    });
    child.stdout.on("data", (data: Buffer) => {
      text += data;
      if (told().length >= files) child.kill("SIGKILL");
    });
    child.on("close", (_, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`the host ended by itself: ${errors}`));
      else resolve(new Map(told().map(([, name, sum]) => [name!, sum!])));
    });
  });
}

it("what a guest has synced is there after its host was killed", { timeout: 2 * KILLS.length * BOOT_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-killed-"));
  const at = (name: string) => join(folder, name);
  try {
    for (const files of KILLS) {
      execFileSync("mke2fs", ["-q", "-t", "ext4", at("data.img"), "64M"]);
      const host = await connectNode({ singleThread: true, imageFolders: [folder] });
      await host.image("convert", "data.img", "data.vhd", { kind: "dynamic" });
      const durable = await killAfter(folder, files);
      expect(durable.size).toBeGreaterThanOrEqual(files);
      expect((await host.image("check", "data.vhd")).filter(({ severity }) => severity !== "note")).toEqual([]);
      await host.image("convert", "data.vhd", "found.img", { kind: "raw" });
      const { status, stdout } = spawnSync("e2fsck", ["-fp", at("found.img")], { encoding: "utf8" });
      expect(CLEAN_OR_REPLAYED, stdout).toContain(status);
      mkdirSync(at("found"));
      execFileSync("debugfs", ["-R", `rdump / ${at("found")}`, at("found.img")], { stdio: "pipe" });
      for (const [name, sum] of durable)
        expect(
          createHash("sha256")
            .update(readFileSync(join(at("found"), name)))
            .digest("hex"),
          name,
        ).toBe(sum);
      await host.close();
      for (const name of ["data.img", "data.vhd", "found.img", "found"]) rmSync(at(name), { recursive: true });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
