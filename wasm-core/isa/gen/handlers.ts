/** Writes assembly/gen/handlers.ts: one handler for every variant of every row, those of pairs, and the tables of both. */
import type { Family, Row } from "../row.js";
import { variantsOf } from "../variants.js";
import { alias, handlerBody, handlerName, type Made } from "./interp.js";
import { makePairs, type Pairs } from "./pairs.js";
import { quickCases, quickSource } from "./quick.js";

const HEAD = `// Made from the instruction table; do not edit.
import { RECORD_BYTES, Status, Vcpu, VcpuOff } from "./layout";
import { cf } from "../cpu/flags";
import { getReg, setReg } from "../cpu/regs";
import { raise, raiseError, raiseFpuBlock, Vector } from "../cpu/faults";
import { imm64, Rec } from "../decode/record";
import { Door, memAligned, memDone, memR, memRW, memSeg, memW, segAccess } from "../mmu/access";
import { canLock, endBlock, splitLock, splitUnlock } from "../interp/glue";
`;

const source = ({ name, body }: Made): string =>
  [`function ${name}(cpu: Vcpu, rec: Rec): i32 {`, ...body.map((line) => `  ${line}`), "}"].join("\n");

const table = (name: string, made: readonly Made[]): string =>
  `export const ${name}: StaticArray<Handler> = [${made.map((m) => m.name).join(", ")}];`;

export interface Handlers {
  /** In variant order. */
  readonly handlers: readonly Made[];
  readonly pairs: Pairs;
  /** Of the handlers, by module. */
  readonly semantics: ReadonlyMap<string, ReadonlySet<string>>;
}

export function makeHandlers(families: readonly Family[], leaves: readonly Row[]): Handlers {
  const moduleOf = new Map<Row, string>();
  for (const f of families) for (const row of f.rows) moduleOf.set(row, f.module);
  const semantics = new Map<string, Set<string>>();
  const handlers: Made[] = [];
  leaves.forEach((row, leaf) => {
    const module = row.semantic === "undefinedOpcode" ? "glue" : moduleOf.get(row)!;
    if (!semantics.has(module)) semantics.set(module, new Set());
    semantics.get(module)!.add(row.semantic);
    const fn = alias(module, row.semantic);
    for (const v of variantsOf(row)) {
      handlers.push({ name: handlerName(leaf, row, v), body: handlerBody(row, v, fn) });
    }
  });
  return { handlers, pairs: makePairs(families, leaves), semantics };
}

export function handlersSource({ handlers, pairs: { made: pairs }, semantics }: Handlers): string {
  const importLines = [...semantics].map(([module, names]) => {
    const imported = [...names].sort().map((name) => `${name} as ${alias(module, name)}`);
    return `import { ${imported.join(", ")} } from "../interp/${module}";`;
  });
  if (pairs.length > 0) importLines.push('import { jumpOfPair } from "../interp/control";');
  return [
    HEAD + importLines.join("\n"),
    "",
    ...[...handlers, ...pairs].map(source),
    "",
    "export type Handler = (cpu: Vcpu, rec: Rec) => i32;",
    ...quickSource(quickCases([...handlers, ...pairs])),
    "/** By variant. */",
    table("HANDLERS", handlers),
    table("PAIRS", pairs),
    "",
  ].join("\n");
}
