/** Puts function bodies together into a module. [WASM] 5.5. */
import { type BranchHint, Code } from "./code.js";
import { Type } from "./ops.js";

export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

export interface ImportedFunction {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

/** Locals behind the parameters, as runs of one type. */
export interface FunctionBody {
  readonly type: number;
  /** It is called by others of the module alone. */
  readonly isOwn?: boolean;
  readonly locals: readonly (readonly [count: number, type: number])[];
  readonly code: Uint8Array;
  readonly hints?: readonly BranchHint[];
}

export interface ModuleParts {
  readonly types: readonly FunctionType[];
  readonly imports: readonly ImportedFunction[];
  /** 64 KiB pages of the imported memory, "env" "memory". */
  readonly memory: { readonly initial: number; readonly maximum: number };
  readonly functions: readonly FunctionBody[];
}

const SECTION = { CUSTOM: 0, TYPE: 1, IMPORT: 2, FUNCTION: 3, EXPORT: 7, CODE: 10 } as const;
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCTION_FORM = 0x60;
const SHARED_WITH_MAXIMUM = 3;
const WITH_MAXIMUM = 1;

function bytes(out: Code, from: readonly number[]): void {
  for (const b of from) out.byte(b);
}

function text(out: Code, s: string): void {
  out.u32(s.length);
  for (let i = 0; i < s.length; i++) out.byte(s.charCodeAt(i));
}

function section(out: Code, id: number, write: (body: Code) => void): void {
  const body = new Code();
  write(body);
  out.byte(id).u32(body.length);
  out.append(body.bytes());
}

function writeTypes(body: Code, types: readonly FunctionType[]): void {
  body.u32(types.length);
  for (const t of types) {
    body.byte(FUNCTION_FORM).u32(t.params.length);
    bytes(body, t.params);
    body.u32(t.results.length);
    bytes(body, t.results);
  }
}

function writeImports(body: Code, parts: ModuleParts, shared: boolean): void {
  body.u32(parts.imports.length + 1);
  text(body, "env");
  text(body, "memory");
  body.byte(2).byte(shared ? SHARED_WITH_MAXIMUM : WITH_MAXIMUM);
  body.u32(parts.memory.initial).u32(parts.memory.maximum);
  for (const f of parts.imports) {
    text(body, f.module);
    text(body, f.name);
    body.byte(0).u32(f.type);
  }
}

/** [WASM] branch hinting: functions by index, each with its hints by their distance from the body's beginning. */
function writeHints(body: Code, { imports, functions }: ModuleParts): void {
  text(body, "metadata.code.branch_hint");
  const hinted = functions.flatMap((f, i) =>
    f.hints?.length ? [{ f, index: imports.length + i, hints: f.hints }] : [],
  );
  body.u32(hinted.length);
  for (const { f, index, hints } of hinted) {
    const before = head(f).length;
    body.u32(index).u32(hints.length);
    for (const { at, likely } of hints)
      body
        .u32(before + at)
        .u32(1)
        .byte(likely ? 1 : 0);
  }
}

/** Declarations of a function's locals. */
function head({ locals }: FunctionBody): Code {
  const out = new Code();
  out.u32(locals.length);
  for (const [count, type] of locals) out.u32(count).byte(type);
  return out;
}

/** The module's bytes; its functions but its own are exported by their numbers among these, "0" first. */
export function moduleBytes(parts: ModuleParts, shared = true): Uint8Array {
  const out = new Code();
  bytes(out, MAGIC);
  section(out, SECTION.TYPE, (b) => writeTypes(b, parts.types));
  section(out, SECTION.IMPORT, (b) => writeImports(b, parts, shared));
  section(out, SECTION.FUNCTION, (b) => {
    b.u32(parts.functions.length);
    for (const f of parts.functions) b.u32(f.type);
  });
  section(out, SECTION.EXPORT, (b) => {
    const exported = parts.functions.flatMap(({ isOwn }, i) => (isOwn ? [] : [parts.imports.length + i]));
    b.u32(exported.length);
    exported.forEach((index, i) => {
      text(b, String(i));
      b.byte(0).u32(index);
    });
  });
  section(out, SECTION.CUSTOM, (b) => writeHints(b, parts));
  section(out, SECTION.CODE, (b) => {
    b.u32(parts.functions.length);
    for (const f of parts.functions) {
      const locals = head(f);
      b.u32(locals.length + f.code.length);
      b.append(locals.bytes()).append(f.code);
    }
  });
  return out.bytes().slice();
}

export { Type };
