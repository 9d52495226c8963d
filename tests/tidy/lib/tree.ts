/**
 * The source tree as the architecture tests see it: files, their text without comments, and their imports.
 * Reads the working tree only, never Git, so that the answer is the same in a clone, an archive and an edit.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { maskSource } from "./mask.js";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const ASSEMBLY = "wasm-core/assembly";
/** What a clean clone does not have: installed or generated. */
const NOT_SOURCE = new Set(["node_modules", "dist", ".git", "test-results", "coverage"]);
const GENERATED = [`${ASSEMBLY}/gen`, "wasm-core/jit/gen"];
const TOP_LEVEL = ["wasm-core", "control-plane", "web-ui", "tests", "docs"];

/** One import, export-from, dynamic import or `new URL(..., import.meta.url)`. */
export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path below the root, or undefined for a package or a Node module. */
  readonly file: string | undefined;
  readonly line: number;
}

export interface Source {
  /** Below the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with comments, and the insides of strings and templates, as spaces: same offsets, same lines. */
  readonly code: string;
  readonly comments: readonly { readonly text: string; readonly line: number }[];
  readonly imports: readonly Import[];
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (NOT_SOURCE.has(entry.name) || GENERATED.includes(path)) continue;
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

/** Every file of the project below the root: the code folders and what lies at the top. */
export const files: readonly string[] = [
  ...readdirSync(ROOT, { withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => e.name),
  ...TOP_LEVEL.filter((folder) => existsSync(join(ROOT, folder))).flatMap((folder) => [...walk(folder)]),
].sort();

const known = new Set(files);

export const readText = (path: string): string => readFileSync(join(ROOT, path), "utf8");
export const lineOf = (text: string, at: number): number => text.slice(0, at).split("\n").length;
export const isTest = (path: string): boolean => /\.(test|e2e)\.ts$/.test(path);
/** Compiled by asc: everything below assembly but its tests and what only they load (which imports Node or vitest). */
export const isAssembly = (source: Source): boolean =>
  source.path.startsWith(`${ASSEMBLY}/`) &&
  !isTest(source.path) &&
  !source.imports.some((i) => /^(node:|vitest$|assemblyscript\/asc$)/.test(i.specifier) || i.specifier.endsWith(".js"));

/** The file that `specifier` names, seen from `from`; imports of generated files resolve although they may be absent. */
function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const base = posix.join(dirname(from), specifier).replace(/\/$/, "");
  if (GENERATED.some((folder) => base.startsWith(`${folder}/`))) return `${base.replace(/\.(js|ts)$/, "")}.ts`;
  const candidates = [base, base.replace(/\.js$/, ".ts"), `${base}.ts`, `${base}/index.ts`];
  return candidates.find((c) => known.has(c)) ?? base;
}

const SPECIFIER =
  /\b(?:import|export)\b(?:[\s\w*{},$]*?\bfrom)?\s*(["'])|\bimport\s*\(\s*(["'])|\bnew\s+URL\s*\(\s*(["'])/g;

function importsOf(path: string, text: string, code: string): Import[] {
  const found: Import[] = [];
  for (const m of code.matchAll(SPECIFIER)) {
    const start = m.index + m[0].length;
    const end = code.indexOf(m[1] ?? m[2] ?? m[3] ?? "", start);
    const specifier = text.slice(start, end);
    if (m[3] !== undefined && !/^\s*,\s*import\.meta\.url/.test(code.slice(end + 1))) continue;
    const file = resolve(path, specifier);
    // A URL may name a folder or a built file: only sources count.
    if (m[3] !== undefined && (specifier.endsWith("/") || file === undefined || !known.has(file))) continue;
    found.push({ specifier, file, line: lineOf(text, m.index) });
  }
  return found;
}

function load(path: string): Source {
  const text = readText(path);
  const { code, comments } = maskSource(text);
  return { path, text, code, comments, imports: importsOf(path, text, code) };
}

/** Every TypeScript and AssemblyScript file. */
export const sources: readonly Source[] = files.filter((f) => f.endsWith(".ts") && !f.endsWith(".d.ts")).map(load);
export const sourceAt = new Map(sources.map((s) => [s.path, s]));
