/**
 * The vocabulary in which shared-memory structures are described, once, for both dialects: TypeScript reads
 * the offsets from the objects made here, and `wasm-core/build` writes AssemblyScript accessor classes from them.
 * Fields lie in declaration order at natural alignment; a struct's size is a multiple of eight bytes.
 */

export type Scalar = "u8" | "u16" | "u32" | "i32" | "u64" | "i64";

/** One field: `count` scalars of `type`, aligned to the scalar (or to `align` bytes), and the sentence that explains it. */
export interface FieldSpec {
  readonly type: Scalar;
  readonly count: number;
  readonly doc: string;
  readonly align: number;
}

export interface Struct<K extends string = string> {
  readonly name: string;
  readonly doc: string;
  /** Bytes, padded to a multiple of 8. */
  readonly size: number;
  readonly fields: ReadonlyMap<string, FieldSpec & { readonly offset: number }>;
  /** Byte offset of each field. */
  readonly off: { readonly [N in K]: number };
}

const SIZE: Record<Scalar, number> = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 };

const field =
  (type: Scalar) =>
  (doc: string, count = 1, align = SIZE[type]): FieldSpec => ({ type, count, doc, align });

export const u8 = field("u8");
export const u16 = field("u16");
export const u32 = field("u32");
export const i32 = field("i32");
export const u64 = field("u64");
export const i64 = field("i64");

export const scalarBytes = (type: Scalar): number => SIZE[type];

/** Lays `specs` out in order. Throws on an impossible alignment: that is a mistake in the description itself. */
export function struct<K extends string>(name: string, doc: string, specs: { [N in K]: FieldSpec }): Struct<K> {
  const fields = new Map<string, FieldSpec & { offset: number }>();
  const off = {} as { [N in K]: number };
  let at = 0;
  for (const key of Object.keys(specs) as K[]) {
    const spec = specs[key];
    if (spec.align < SIZE[spec.type] || (spec.align & (spec.align - 1)) !== 0)
      throw new Error(`${name}.${key}: alignment`);
    at = (at + spec.align - 1) & -spec.align;
    off[key] = at;
    fields.set(key, { ...spec, offset: at });
    at += SIZE[spec.type] * spec.count;
  }
  return { name, doc, size: (at + 7) & ~7, fields, off };
}

/** A named group of integer constants that both dialects share. */
export interface Constants<K extends string = string> {
  readonly name: string;
  readonly doc: string;
  readonly type: "u32" | "i32" | "u64";
  readonly values: { readonly [N in K]: number | bigint };
}

export function constants<K extends string>(
  name: string,
  doc: string,
  values: { [N in K]: number | bigint },
  type: "u32" | "i32" | "u64" = "u32",
): Constants<K> {
  return { name, doc, type, values };
}
