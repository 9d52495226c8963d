/** Guests with a grant table, and what they do with it in tests. */
import { expect } from "vitest";
import { Domain } from "../../../abi/structs/domain.js";
import { type Guest, machineWith, STRUCT } from "./guests.js";

export const TABLE = 0x100;
export const PERMIT = 1;
export const READONLY = 4;
export const READING = 8;
export const WRITING = 16;
export const HOST = 2;
export const TRANSFER = 2;
export const SELF = 0x7ff0;

export async function pair(): Promise<[Guest, Guest]> {
  const [, a, b] = await machineWith([
    [1, 512],
    [1, 512],
  ]);
  for (const g of [a as Guest, b as Guest]) expect(mapTable(g)).toBe(0);
  return [a as Guest, b as Guest];
}

/** add_to_physmap of grant frame 0 at gfn TABLE. */
export const mapTable = (g: Guest, idx: bigint = 0n, gfn = TABLE) =>
  g.call(
    12,
    7,
    g.struct([
      [2, 0x7ff0],
      [2, 0],
      [4, 1],
      [8, idx],
      [8, gfn],
    ]),
  );

export function entry(g: Guest, ref: number): number {
  return g.core.u32(g.dom + Domain.off.gntShared) + ref * 8;
}
export function grant(g: Guest, ref: number, to: number, gfn: number, flags = 0): void {
  const view = g.core.view();
  view.setUint32(entry(g, ref) + 4, gfn, true);
  view.setUint16(entry(g, ref) + 2, to, true);
  view.setUint16(entry(g, ref), PERMIT | flags, true);
}
export const flags = (g: Guest, ref: number) => g.core.view().getUint16(entry(g, ref), true);

export function map(g: Guest, dom: number, ref: number, gpa: bigint, how = HOST): { status: number; handle: number } {
  g.struct([
    [8, gpa],
    [4, how],
    [4, ref],
    [2, dom],
    [2, 0],
    [4, 0],
    [8, 0],
  ]);
  expect(g.call(20, 0, STRUCT, 1)).toBe(0);
  return { status: Number(BigInt.asIntN(16, g.get(STRUCT + 18n, 2))), handle: Number(g.get(STRUCT + 20n, 4)) };
}
export function unmap(g: Guest, handle: number, gpa: bigint): number {
  g.struct([
    [8, gpa],
    [8, 0],
    [4, handle],
    [2, 0],
  ]);
  expect(g.call(20, 1, STRUCT, 1)).toBe(0);
  return Number(BigInt.asIntN(16, g.get(STRUCT + 20n, 2)));
}
export type CopySide = { ref?: number; gfn?: number; dom: number; off: number };
export function copy(g: Guest, from: CopySide, to: CopySide, len: number): number {
  const how = (from.ref !== undefined ? 1 : 0) | (to.ref !== undefined ? 2 : 0);
  g.struct([
    [8, from.ref ?? from.gfn ?? 0],
    [2, from.dom],
    [2, from.off],
    [4, 0],
    [8, to.ref ?? to.gfn ?? 0],
    [2, to.dom],
    [2, to.off],
    [4, 0],
    [2, len],
    [2, how],
    [2, 0],
  ]);
  expect(g.call(20, 5, STRUCT, 1)).toBe(0);
  return Number(BigInt.asIntN(16, g.get(STRUCT + 36n, 2)));
}
