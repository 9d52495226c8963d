/**
 * A program as a list of items whose branches name labels, so that any item can be left out and the rest still makes
 * sense. Laid out with the code's own distances; bytes are plain data otherwise.
 */

export type Label = number;

export type Item =
  /** an instruction, or several that belong together */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "label"; readonly label: Label }
  /** opcode bytes, then a distance of one or four bytes to `to`; one that is too far for its byte is left out */
  | { readonly kind: "branch"; readonly opcode: readonly number[]; readonly wide: boolean; readonly to: Label }
  /**
   * bytes whose four at `at` become the distance from the end of the item to an address or to `plus` behind a label
   */
  | {
      readonly kind: "relative";
      readonly bytes: Uint8Array;
      readonly at: number;
      readonly to: { readonly address: number } | { readonly label: Label; readonly plus: number };
    }
  /** bytes whose four at `at` become the address `plus` behind a label */
  | {
      readonly kind: "absolute";
      readonly bytes: Uint8Array;
      readonly at: number;
      readonly to: { readonly label: Label; readonly plus: number };
    }
  /** a jump over the rest of the page up to `before` bytes before its end */
  | { readonly kind: "page-end"; readonly before: number };

/** A program in the making. */
export class Draft {
  readonly items: Item[] = [];
  #labels = 0;

  label(): Label {
    return this.#labels++;
  }

  /** The label stands here. */
  place(label: Label): void {
    this.items.push({ kind: "label", label });
  }

  /** A label that stands here. */
  here(): Label {
    const label = this.label();
    this.place(label);
    return label;
  }
}

export interface Program {
  readonly items: readonly Item[];
  /** Where it is over. */
  readonly end: Label;
}

export interface Laid {
  readonly bytes: Uint8Array;
  readonly labels: ReadonlyMap<Label, number>;
}

const PAGE = 4096;
const JMP_NEAR = 0xe9;
const JMP_BYTES = 5;
const FILL = 0xcc;

function sizeOf(item: Item, at: number): number {
  switch (item.kind) {
    case "bytes":
    case "relative":
    case "absolute":
      return item.bytes.length;
    case "branch":
      return item.opcode.length + (item.wide ? 4 : 1);
    case "page-end":
      return JMP_BYTES + gap(at + JMP_BYTES, item.before);
    default:
      return 0;
  }
}

/** Bytes from `at` to the next place that is `before` bytes before the end of a page. */
const gap = (at: number, before: number): number => (2 * PAGE - before - (at % PAGE)) % PAGE;

function distance(from: number, to: number, bytes: number): number[] {
  const d = to - from;
  return Array.from({ length: bytes }, (_, i) => (d >> (8 * i)) & 0xff);
}

function bytesOf(item: Item, at: number, labels: ReadonlyMap<Label, number>): number[] {
  const end = at + sizeOf(item, at);
  switch (item.kind) {
    case "bytes":
      return [...item.bytes];
    case "branch": {
      const to = labels.get(item.to) ?? end;
      const fits = item.wide || (to - end >= -128 && to - end < 128);
      // NOP with the same length: nothing else moves.
      if (!fits) return Array.from({ length: end - at }, () => 0x90);
      return [...item.opcode, ...distance(end, to, item.wide ? 4 : 1)];
    }
    case "relative": {
      const to = "address" in item.to ? item.to.address : (labels.get(item.to.label) ?? end) + item.to.plus;
      const out = [...item.bytes];
      out.splice(item.at, 4, ...distance(end, to, 4));
      return out;
    }
    case "absolute": {
      const out = [...item.bytes];
      out.splice(item.at, 4, ...distance(0, (labels.get(item.to.label) ?? end) + item.to.plus, 4));
      return out;
    }
    case "page-end":
      return [
        JMP_NEAR,
        ...distance(at + JMP_BYTES, end, 4),
        ...Array.from({ length: end - at - JMP_BYTES }, () => FILL),
      ];
    default:
      return [];
  }
}

/** Machine code of the program at `origin`. */
export function layOut(program: Program, origin: number): Laid {
  const labels = new Map<Label, number>();
  const places: number[] = [];
  let at = origin;
  for (const item of program.items) {
    places.push(at);
    if (item.kind === "label") labels.set(item.label, at);
    at += sizeOf(item, at);
  }
  const bytes = program.items.flatMap((item, i) => bytesOf(item, places[i]!, labels));
  return { bytes: Uint8Array.from(bytes), labels };
}
