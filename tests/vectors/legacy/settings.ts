/**
 * The settings that 16- and 32-bit instructions are recorded and replayed in: mode, code and stack size, segments, and
 * the physical memory behind them. Data and code lie at the linear addresses of the 64-bit vectors where a segment can
 * reach them there, and in the first MiB for virtual-8086 and real-address mode: the same pages.
 */
import { CODE, CODE_BYTES, DATA, DATA_BYTES, READ_ONLY, type State } from "../layout.js";

/** How segment registers are read. */
export const Kind = { PROTECTED: 0, VM86: 1, REAL: 2 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** In encoding order. */
export interface Selectors {
  readonly es: number;
  readonly cs: number;
  readonly ss: number;
  readonly ds: number;
  readonly fs: number;
  readonly gs: number;
}

export interface Setting {
  readonly name: string;
  readonly kind: Kind;
  /** Default size of operands and addresses. */
  readonly code: 16 | 32;
  readonly stack: 16 | 32;
  readonly selectors: Selectors;
  /** 64 KiB segments that begin at the page boundary, so that offsets wrap around there. */
  readonly wraps: boolean;
}

/** A descriptor by its fields; the access byte has the accessed bit. [SDM] vol. 3, 3.4.5 */
export interface Descriptor {
  readonly base: number;
  readonly limit: number;
  readonly access: number;
  /** G, D/B, L, AVL. */
  readonly flags: number;
}

const FLAT = 0xfffff;
const WIDE = 0xc;
const USER_DATA = 0xf3;
const USER_CODE = 0xfb;
const segment = (base: number, limit: number, access: number, flags = 0): Descriptor => ({
  base,
  limit,
  access,
  flags,
});

/** Selectors of the global table. */
export const SEL = {
  code: 0x08,
  data: 0x10,
  code16: 0x18,
  data16: 0x20,
  userData: 0x2b,
  absent: 0x33,
  readOnly: 0x3b,
  tss: 0x40,
  ldt: 0x48,
} as const;
/** Selectors of the local table. */
export const LOCAL = {
  code32: 0x07,
  code16: 0x0f,
  data16: 0x17,
  fs16: 0x1f,
  gs16: 0x27,
  fs32: 0x2f,
  gs32: 0x37,
} as const;

/** Bases of FS and GS, here and, as paragraphs, in virtual-8086 and real-address mode. */
const FS_OFFSET = 0x800;
const GS_OFFSET = 0x1000;

/** Where the pages lie in physical memory. */
export const PHYSICAL = { data: 0x20000, readOnly: 0x23000, code: 0x50000 } as const;
const PARAGRAPH = { data: PHYSICAL.data >> 4, code: PHYSICAL.code >> 4 } as const;

/** TSS and LDT are at the addresses given. */
export const globalTable = (tss: number, ldt: number): Descriptor[] => [
  segment(0, 0, 0),
  segment(0, FLAT, 0x9b, WIDE),
  segment(0, FLAT, 0x93, WIDE),
  segment(0, 0xffff, 0x9b),
  segment(0, 0xffff, 0x93),
  segment(0, FLAT, USER_DATA, WIDE),
  segment(0, FLAT, 0x73, WIDE),
  segment(0, FLAT, 0xf1, WIDE),
  segment(tss, 0x67, 0x8b),
  segment(ldt, 0x3f, 0x82),
];

export const LOCAL_TABLE: readonly Descriptor[] = [
  segment(0, FLAT, USER_CODE, WIDE),
  segment(CODE, 0xffff, USER_CODE),
  segment(DATA, 0xffff, USER_DATA),
  segment(DATA + FS_OFFSET, 0xffff, USER_DATA),
  segment(DATA + GS_OFFSET, 0xffff, USER_DATA),
  segment(DATA + FS_OFFSET, FLAT, USER_DATA, WIDE),
  segment(DATA + GS_OFFSET, FLAT, USER_DATA, WIDE),
];

/** The number that lies in a descriptor table. */
export function descriptorBits(d: Descriptor): bigint {
  const base = BigInt(d.base >>> 0);
  const limit = BigInt(d.limit);
  const low = (limit & 0xffffn) | ((base & 0xffffffn) << 16n) | (BigInt(d.access) << 40n);
  return low | ((limit >> 16n) << 48n) | (BigInt(d.flags) << 52n) | ((base >> 24n) << 56n);
}

const selectors = (cs: number, data: number, fs: number, gs: number): Selectors => ({
  es: data,
  cs,
  ss: data,
  ds: data,
  fs,
  gs,
});
const setting = (name: string, kind: Kind, code: 16 | 32, stack: 16 | 32, all: Selectors, wraps = false): Setting => ({
  name,
  kind,
  code,
  stack,
  selectors: all,
  wraps,
});

const SMALL = selectors(
  PARAGRAPH.code,
  PARAGRAPH.data,
  (PHYSICAL.data + FS_OFFSET) >> 4,
  (PHYSICAL.data + GS_OFFSET) >> 4,
);
const SMALL_WRAP = selectors(PARAGRAPH.code, SMALL.gs, SMALL.fs, SMALL.gs);

export const PROTECTED_32 = setting(
  "32-bit code",
  Kind.PROTECTED,
  32,
  32,
  selectors(LOCAL.code32, SEL.userData, LOCAL.fs32, LOCAL.gs32),
);
export const PROTECTED_16 = setting(
  "16-bit code",
  Kind.PROTECTED,
  16,
  16,
  selectors(LOCAL.code16, LOCAL.data16, LOCAL.fs16, LOCAL.gs16),
);
export const VM86 = setting("virtual-8086", Kind.VM86, 16, 16, SMALL);
export const REAL = setting("real-address", Kind.REAL, 16, 16, SMALL);
export const CODE_32_DATA_16 = setting(
  "32-bit code, 16-bit data",
  Kind.PROTECTED,
  32,
  16,
  selectors(LOCAL.code32, LOCAL.data16, LOCAL.fs16, LOCAL.gs16),
);
export const CODE_16_DATA_32 = setting(
  "16-bit code, 32-bit data",
  Kind.PROTECTED,
  16,
  32,
  selectors(LOCAL.code16, SEL.userData, LOCAL.fs32, LOCAL.gs32),
);
export const WRAP_16 = setting(
  "16-bit code, wrapping",
  Kind.PROTECTED,
  16,
  16,
  selectors(LOCAL.code16, LOCAL.gs16, LOCAL.fs16, LOCAL.gs16),
  true,
);
export const WRAP_VM86 = setting("virtual-8086, wrapping", Kind.VM86, 16, 16, SMALL_WRAP, true);

/** What a selector loaded in a setting of this kind stands for. */
export function descriptorOf(kind: Kind, selector: number): Descriptor {
  if (kind !== Kind.PROTECTED) return segment(selector << 4, 0xffff, kind === Kind.VM86 ? 0xf3 : 0x93);
  const table = selector & 4 ? LOCAL_TABLE : globalTable(0, 0);
  return table[selector >> 3] ?? segment(0, 0, 0);
}

/** Linear address of the data pages as the kind reaches them. */
export const dataBase = (kind: Kind): number => (kind === Kind.PROTECTED ? DATA : PHYSICAL.data);
export const codeBase = (kind: Kind): number => (kind === Kind.PROTECTED ? CODE : PHYSICAL.code);

export interface Page {
  readonly linear: number;
  readonly physical: number;
  readonly writable: boolean;
}

const PAGE = 0x1000;
const pages = (linear: number, physical: number, bytes: number, writable = true): Page[] =>
  Array.from({ length: bytes / PAGE }, (_, n) => ({
    linear: linear + n * PAGE,
    physical: physical + n * PAGE,
    writable,
  }));

/** What CPL 3 may reach. The page 64 KiB above the data is their first page again: offsets that wrap find it there. */
export const USER_PAGES: readonly Page[] = [
  ...pages(DATA, PHYSICAL.data, DATA_BYTES),
  ...pages(DATA + 0x10000, PHYSICAL.data, PAGE),
  ...pages(READ_ONLY, PHYSICAL.readOnly, PAGE, false),
  ...pages(CODE, PHYSICAL.code, CODE_BYTES),
  ...pages(PHYSICAL.data, PHYSICAL.data, DATA_BYTES),
  ...pages(PHYSICAL.data + 0x10000, PHYSICAL.data, PAGE),
  ...pages(PHYSICAL.readOnly, PHYSICAL.readOnly, PAGE, false),
  ...pages(PHYSICAL.code, PHYSICAL.code, CODE_BYTES),
];
/** Pages of the first 4 MiB that nothing is mapped at. */
export const HOLES: readonly number[] = [PHYSICAL.data + DATA_BYTES];

/** Vectors that INT n may name at CPL 3. */
export const USER_VECTORS = (vector: number): boolean => vector === 3 || vector === 4 || vector >= 0x30;
/** Exceptions that push an error code. [SDM] vol. 3, table 6-1 */
export const WITH_ERROR = [8, 10, 11, 12, 13, 14, 17] as const;

/** Segment registers and kind stand in a state where 64-bit vectors have R8 to R14. */
const SELECTORS_AT = 8;
const KIND_AT = 14;
const ORDER = ["es", "cs", "ss", "ds", "fs", "gs"] as const;

export function putSetting(s: State, kind: Kind, selector: Selectors): void {
  ORDER.forEach((name, n) => {
    s.setGpr(SELECTORS_AT + n, BigInt(selector[name]));
  });
  s.setGpr(KIND_AT, BigInt(kind));
  s.setGpr(15, 0n);
}

export const kindOf = (s: State): Kind => Number(s.gpr(KIND_AT)) as Kind;
/** ES CS SS DS FS GS. */
export const selectorsOf = (s: State): number[] => ORDER.map((_, n) => Number(s.gpr(SELECTORS_AT + n)));

/** Bytes of a real-mode exception's frame. */
const FRAME = 6;

/**
 * In real-address mode the recorder's own exception leaves its frame below the stack pointer, with flags that may be
 * undefined in it: those bytes are made zero.
 */
export function dropFrame(s: State): State {
  if (kindOf(s) !== Kind.REAL) return s;
  const base = Number(s.gpr(SELECTORS_AT + 2)) * 16 - PHYSICAL.data + DATA;
  for (let n = 1; n <= FRAME; n++) s.poke(base + ((Number(s.gpr(4)) - n) & 0xffff), Uint8Array.of(0));
  return s;
}
