/**
 * The same files in every folder of a kind: who knows one back end or device knows where things are in all of them.
 * A device folder with nothing but index.ts is a device without state of its own.
 */
import { describe, expect, it } from "vitest";
import { NOT_DEVICES } from "./exceptions.js";
import { files, readText, sourceAt } from "./lib/tree.js";

const BACKEND = ["README.md", "codec.ts", "device.ts", "index.ts", "machine.ts", "saved.ts"];
const DEVICE = ["device.ts", "index.ts", "regs.ts", "saved.ts"];
const DEVICE_FOLDERS = ["wasm-core/assembly/irq", "wasm-core/assembly/dev"];
/** A one-file device longer than this wants the files of a device. */
const MOST_LINES_OF_SMALL_DEVICE = 80;

const inFolder = (folder: string): string[] =>
  files.filter((f) => f.startsWith(`${folder}/`)).map((f) => f.slice(folder.length + 1));
const folders = (parent: string): string[] =>
  [...new Set(inFolder(parent).filter((f) => f.includes("/")))].map((f) => `${parent}/${f.split("/")[0]}`);
const missing = (folder: string, wanted: readonly string[]): string[] =>
  wanted.filter((f) => !inFolder(folder).includes(f)).map((f) => `${folder}/${f}`);

const backends = [...new Set(folders("control-plane/backends"))];
const devices = [...new Set(DEVICE_FOLDERS.flatMap(folders))].filter((f) => NOT_DEVICES[f] === undefined);
const isSmall = (folder: string): boolean => inFolder(folder).join() === "index.ts";

describe("back ends", () => {
  it("have the same files", () => {
    expect(backends).toContain("control-plane/backends/console");
    expect(backends.flatMap((b) => missing(b, BACKEND))).toEqual([]);
  });

  it("are tested beside their code", () => {
    expect(backends.filter((b) => !inFolder(b).some((f) => f.endsWith(".test.ts")))).toEqual([]);
  });
});

describe("devices", () => {
  it("have the same files", () => {
    expect(devices.filter((d) => !isSmall(d)).flatMap((d) => missing(d, DEVICE))).toEqual([]);
  });

  it("are tested beside their code", () => {
    const untested = devices.filter((d) => !isSmall(d) && !inFolder(d).some((f) => f.endsWith(".test.ts")));
    expect(untested).toEqual([]);
  });

  it("are small when they are one file", () => {
    const long = devices.filter(isSmall).filter((d) => {
      return sourceAt.get(`${d}/index.ts`)!.text.split("\n").length > MOST_LINES_OF_SMALL_DEVICE;
    });
    expect(long).toEqual([]);
  });

  it("are described in a README of their own or of the folder above", () => {
    const undescribed = devices.filter((d) => {
      if (inFolder(d).includes("README.md")) return false;
      const parent = d.slice(0, d.lastIndexOf("/"));
      return !readText(`${parent}/README.md`).includes(`\`${d.slice(parent.length + 1)}/\``);
    });
    expect(undescribed).toEqual([]);
  });

  it("have no behaviour in regs.ts, and a sentence for each register", () => {
    for (const path of files.filter((f) => f.endsWith("/regs.ts") && DEVICE_FOLDERS.some((d) => f.startsWith(d)))) {
      const { code, text } = sourceAt.get(path)!;
      expect(code, path).not.toMatch(/\b(function|if|while|for)\b/);
      const lines = text.split("\n");
      const bare = lines.filter((l, i) => /^export (namespace|const enum)\b/.test(l) && !lines[i - 1]!.endsWith("*/"));
      expect(bare, path).toEqual([]);
    }
  });

  it("need each exception", () => {
    expect(Object.keys(NOT_DEVICES).filter((d) => inFolder(d).length === 0)).toEqual([]);
  });
});
