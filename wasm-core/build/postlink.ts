/**
 * Makes the module's active data segments passive and adds an export that loads them, once, from one instance. Every
 * instance shares the memory: an active segment would write the constants over again, and over whatever stands there.
 * And makes the second build of the core, which differs in one bit: the memory that it imports is not shared.
 *
 * Reads and writes the binary format of the WebAssembly core specification, chapter 5.5.
 */

const SECTION = { TYPE: 1, IMPORT: 2, FUNCTION: 3, EXPORT: 7, CODE: 10, DATA: 11, DATA_COUNT: 12 } as const;

interface Section {
  readonly id: number;
  readonly body: Uint8Array;
}

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  u8(): number {
    return this.bytes[this.at++]!;
  }
  u32(): number {
    let v = 0;
    for (let shift = 0; ; shift += 7) {
      const b = this.u8();
      v |= (b & 0x7f) << shift;
      if (!(b & 0x80)) return v >>> 0;
    }
  }
  take(n: number): Uint8Array {
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }
}

function leb(v: number): number[] {
  const out: number[] = [];
  for (;;) {
    const b = v & 0x7f;
    v >>>= 7;
    if (v === 0) return [...out, b];
    out.push(b | 0x80);
  }
}

function sleb(v: number): number[] {
  const out: number[] = [];
  for (;;) {
    const b = v & 0x7f;
    v >>= 7;
    if ((v === 0 && !(b & 0x40)) || (v === -1 && b & 0x40)) return [...out, b];
    out.push(b | 0x80);
  }
}

function concat(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const size = parts.reduce((n, p) => n + p.length, 0);
  const out = new Uint8Array(size);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

function readSections(wasm: Uint8Array): Section[] {
  const r = new Reader(wasm);
  r.take(8);
  const out: Section[] = [];
  while (r.at < wasm.length) {
    const id = r.u8();
    out.push({ id, body: r.take(r.u32()) });
  }
  return out;
}

interface Segment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function readActiveSegments(body: Uint8Array): Segment[] {
  const r = new Reader(body);
  const out: Segment[] = [];
  for (let n = r.u32(); n > 0; n--) {
    const flags = r.u32();
    if (flags !== 0) throw new Error(`data segment with flags ${flags}: expected active segments of memory 0`);
    if (r.u8() !== 0x41) throw new Error("data segment offset is not an i32.const");
    const offset = r.u32();
    if (r.u8() !== 0x0b) throw new Error("data segment offset does not end after its constant");
    out.push({ offset, bytes: r.take(r.u32()) });
  }
  return out;
}

/** Vector section with one more element. */
function append(body: Uint8Array, element: readonly number[]): { body: Uint8Array; index: number } {
  const r = new Reader(body);
  const count = r.u32();
  return { index: count, body: concat([leb(count + 1), body.subarray(r.at), element]) };
}

const KIND = { FUNCTION: 0, TABLE: 1, MEMORY: 2 } as const;
const LIMITS_HAVE_MAXIMUM = 1;
const LIMITS_ARE_SHARED = 2;

/** Calls `visit` with the kind of each import, and where in `body` its description begins. */
function walkImports(body: Uint8Array, visit: (kind: number, at: number) => void): void {
  const r = new Reader(body);
  for (let n = r.u32(); n > 0; n--) {
    r.take(r.u32());
    r.take(r.u32());
    const kind = r.u8();
    visit(kind, r.at);
    if (kind === KIND.FUNCTION) r.u32();
    else if (kind === KIND.TABLE) {
      r.u8();
      skipLimits(r);
    } else if (kind === KIND.MEMORY) skipLimits(r);
    else r.take(2);
  }
}

function skipLimits(r: Reader): void {
  const flags = r.u8();
  r.u32();
  if (flags & LIMITS_HAVE_MAXIMUM) r.u32();
}

function importedFunctions(sections: readonly Section[]): number {
  let functions = 0;
  const imports = sections.find((s) => s.id === SECTION.IMPORT);
  if (imports !== undefined) walkImports(imports.body, (kind) => (functions += kind === KIND.FUNCTION ? 1 : 0));
  return functions;
}

/**
 * The module with an import of unshared memory, for hosts without SharedArrayBuffer. Nothing else differs: atomic
 * accesses are valid on either kind of memory, and notify finds nobody. The core has no instruction that waits.
 */
export function unshareMemory(wasm: Uint8Array): Uint8Array {
  const out = wasm.slice();
  const imports = readSections(out).find((s) => s.id === SECTION.IMPORT);
  let found = false;
  if (imports !== undefined)
    walkImports(imports.body, (kind, at) => {
      if (kind !== KIND.MEMORY) return;
      imports.body[at]! &= ~LIMITS_ARE_SHARED;
      found = true;
    });
  if (!found) throw new Error("module imports no memory");
  return out;
}

/** Name of the added export: loads the constants into memory; to be called once, before anything else. */
export const INIT_DATA = "__init_data";

/** The module with passive data segments and INIT_DATA. */
export function makeDataPassive(wasm: Uint8Array): Uint8Array {
  const sections = readSections(wasm);
  const find = (id: number): Section => {
    const s = sections.find((x) => x.id === id);
    if (s === undefined) throw new Error(`module has no section ${id}`);
    return s;
  };
  const segments = readActiveSegments(find(SECTION.DATA).body);
  const type = append(find(SECTION.TYPE).body, [0x60, 0, 0]);
  const fn = append(find(SECTION.FUNCTION).body, leb(type.index));
  const functionIndex = importedFunctions(sections) + fn.index;
  const name = new TextEncoder().encode(INIT_DATA);
  const exported = append(find(SECTION.EXPORT).body, [...leb(name.length), ...name, 0, ...leb(functionIndex)]);
  const init = segments.flatMap((s, i) => [
    ...[0x41, ...sleb(s.offset), 0x41, 0, 0x41, ...sleb(s.bytes.length), 0xfc, 8, ...leb(i), 0],
  ]);
  const code = append(find(SECTION.CODE).body, [...leb(init.length + 2), 0, ...init, 0x0b]);
  const data = concat([leb(segments.length), ...segments.flatMap((s) => [[1], leb(s.bytes.length), s.bytes])]);
  const replaced = new Map<number, Uint8Array>([
    [SECTION.TYPE, type.body],
    [SECTION.FUNCTION, fn.body],
    [SECTION.EXPORT, exported.body],
    [SECTION.CODE, code.body],
    [SECTION.DATA, data],
  ]);
  const out: (Uint8Array | number[])[] = [wasm.subarray(0, 8)];
  for (const s of sections) {
    if (s.id === SECTION.DATA_COUNT) continue;
    if (s.id === SECTION.CODE) out.push(section(SECTION.DATA_COUNT, Uint8Array.from(leb(segments.length))));
    out.push(section(s.id, replaced.get(s.id) ?? s.body));
  }
  return concat(out);
}

const section = (id: number, body: Uint8Array): Uint8Array => concat([[id], leb(body.length), body]);
