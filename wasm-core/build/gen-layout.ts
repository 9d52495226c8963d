/**
 * Writes assembly/gen/layout.ts: AssemblyScript classes and constants for everything that abi/structs exports.
 * Accessors rather than fields, so that the offsets are the description's own and nothing depends on asc's layout.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Constants, Struct } from "../abi/layout.js";

const STRUCTS = new URL("../abi/structs/", import.meta.url);
const OUT = new URL("../assembly/gen/", import.meta.url);

function emitStruct(s: Struct): string {
  const lines = [
    `/** ${s.doc} */`,
    `export const ${s.name}_SIZE: usize = ${s.size};`,
    `export namespace ${s.name}Off {`,
  ];
  for (const [name, f] of s.fields) lines.push(`  export const ${name}: usize = ${f.offset};`);
  lines.push("}", "@unmanaged", `export class ${s.name} {`);
  for (const [name, f] of s.fields) {
    if (f.count !== 1) continue;
    const at = `changetype<usize>(this)`;
    lines.push(`  /** ${f.doc} */`);
    // Signed 32-bit fields are loaded unsigned: binaryen merges a later unsigned extension into a signed load.
    const load = f.type === "i32" ? "<i32>load<u32>" : `load<${f.type}>`;
    lines.push(`  @inline get ${name}(): ${f.type} { return ${load}(${at}, ${f.offset}); }`);
    lines.push(`  @inline set ${name}(v: ${f.type}) { store<${f.type}>(${at}, v, ${f.offset}); }`);
  }
  lines.push("}", "");
  return lines.join("\n");
}

function emitConstants(c: Constants): string {
  const lines = [`/** ${c.doc} */`, `export namespace ${c.name} {`];
  for (const [name, value] of Object.entries(c.values)) lines.push(`  export const ${name}: ${c.type} = ${value};`);
  lines.push("}", "");
  return lines.join("\n");
}

const isStruct = (v: unknown): v is Struct => typeof v === "object" && v !== null && "off" in v && "fields" in v;
const isConstants = (v: unknown): v is Constants => typeof v === "object" && v !== null && "values" in v && "type" in v;

/** The text of assembly/gen/layout.ts. Plain numbers exported by a structs file become usize constants. */
export async function layoutSource(): Promise<string> {
  const parts = ["// Made from wasm-core/abi/structs; do not edit.", ""];
  const files = readdirSync(STRUCTS)
    .filter((f) => f.endsWith(".ts") && !f.endsWith(".test.ts"))
    .sort();
  for (const file of files) {
    const module = (await import(pathToFileURL(fileURLToPath(new URL(file, STRUCTS))).href)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(module)) {
      if (isStruct(value)) parts.push(emitStruct(value));
      else if (isConstants(value)) parts.push(emitConstants(value));
      else if (typeof value === "number") parts.push(`export const ${name}: usize = ${value};`);
    }
  }
  return parts.join("\n");
}

export async function writeLayout(): Promise<void> {
  mkdirSync(OUT, { recursive: true });
  writeFileSync(new URL("layout.ts", OUT), await layoutSource());
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await writeLayout();
