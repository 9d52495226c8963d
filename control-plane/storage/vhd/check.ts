/**
 * Looks for damage in one VHD file, and names all that it finds. Changes nothing. Parents are looked at by the operation
 * that checks whole chains.
 */
import { SECTOR_BYTES } from "../disk.js";
import type { ImageFile } from "../image-file.js";
import { BlockTable, tableBytes } from "./bat.js";
import { type FieldFault, hex } from "./fault.js";
import {
  DiskType,
  FOOTER_BYTES,
  type Footer,
  hasFooterCookie,
  OLD_FOOTER_BYTES,
  readFooter,
  writeFooter,
} from "./footer.js";
import { geometryOf } from "./geometry.js";
import { HEADER_BYTES, type Header, readHeader } from "./header.js";
import { MOST_LOCATOR_BYTES, PlatformCode } from "./locator.js";
import { checkBlocks, tableFaults } from "./sparse-image.js";

/**
 * - `end-footer`, `footer-copy`: one of the two footers is damaged, the other is good
 * - `footers-differ`: both are good and say different things
 * - `no-footer`: none is good
 * - `header`: a field of the dynamic disk header says what cannot be, or it is not there
 * - `table`: the block table is not where it should be, or too small
 * - `block`: a block is outside of the file, on something else, or beyond the disk
 * - `truncated`: the file ends before its data
 * - `locator`: a parent locator points outside of the file
 * - `parent`: the parent is missing, another one, or the chain is a loop
 * - `unfinished`: an operation on several images was interrupted, and will be finished when the folder is recovered
 * - `unused-space`, `geometry`, `saved-state`: no damage, but worth knowing
 */
export type FindingKind =
  | "end-footer"
  | "footer-copy"
  | "footers-differ"
  | "no-footer"
  | "header"
  | "table"
  | "block"
  | "truncated"
  | "locator"
  | "parent"
  | "unfinished"
  | "unused-space"
  | "geometry"
  | "saved-state";

export interface Finding {
  readonly kind: FindingKind;
  /** Errors endanger data; a warning is mended without loss; a note is none. */
  readonly severity: "error" | "warning" | "note";
  readonly file: string;
  readonly fault: FieldFault;
  /** What `repair` does about it: nothing, what loses no data, or what gives up blocks. */
  readonly repair: "none" | "safe" | "loses-data";
}

/** What a check has found, and the structures as far as they can be read, for the one who repairs. */
export interface VhdCheck {
  readonly findings: readonly Finding[];
  readonly footer: Footer | null;
  readonly header: Header | null;
  readonly table: BlockTable | null;
  /** Blocks whose entries cannot be right. */
  readonly badBlocks: readonly number[];
  /** Where the footer at the end belongs, in bytes. */
  readonly end: number;
}

class Findings {
  readonly list: Finding[] = [];

  constructor(private readonly file: string) {}

  add(kind: FindingKind, severity: Finding["severity"], repair: Finding["repair"], fault: FieldFault): void {
    this.list.push({ kind, severity, repair, fault, file: this.file });
  }
}

interface FooterPlaces {
  /** What is at the end of the file, with its place. */
  readonly end: { readonly footer: Footer; readonly at: number } | null;
  readonly copy: Footer | null;
  readonly endFaults: readonly FieldFault[];
  readonly copyFaults: readonly FieldFault[];
}

export async function checkVhd(file: ImageFile): Promise<VhdCheck> {
  const findings = new Findings(file.name);
  const places = await readFooters(file);
  const footer = places.end?.footer ?? places.copy;
  if (footer === null) {
    for (const fault of places.endFaults) findings.add("no-footer", "error", "none", fault);
    for (const fault of places.copyFaults) findings.add("no-footer", "error", "none", fault);
    return { findings: findings.list, footer, header: null, table: null, badBlocks: [], end: file.size };
  }
  checkFooter(footer, findings);
  if (footer.diskType === DiskType.FIXED) {
    checkFixed(footer, places.end!.at, findings);
    return { findings: findings.list, footer, header: null, table: null, badBlocks: [], end: places.end!.at };
  }
  compareFooters(places, findings);
  return { ...(await checkSparse(file, footer, places.end?.at ?? null, findings)), findings: findings.list, footer };
}

async function readFooters(file: ImageFile): Promise<FooterPlaces> {
  let end: FooterPlaces["end"] = null;
  let endFaults: readonly FieldFault[] = [tooShort(file)];
  for (const length of [FOOTER_BYTES, OLD_FOOTER_BYTES]) {
    if (end !== null || file.size < length) continue;
    const bytes = new Uint8Array(FOOTER_BYTES);
    await file.read(file.size - length, [bytes.subarray(0, length)]);
    const read = readFooter(bytes);
    if (read.faults.length === 0) end = { footer: read.footer, at: file.size - length };
    if (length === FOOTER_BYTES || hasFooterCookie(bytes)) endFaults = read.faults;
  }
  if (file.size < FOOTER_BYTES) return { end, copy: null, endFaults, copyFaults: [tooShort(file)] };
  const bytes = new Uint8Array(FOOTER_BYTES);
  await file.read(0, [bytes]);
  const { footer, faults } = readFooter(bytes);
  const isCopy = faults.length === 0 && footer.diskType !== DiskType.FIXED;
  return { end, copy: isCopy ? footer : null, endFaults, copyFaults: faults };
}

function tooShort(file: ImageFile): FieldFault {
  const found = `${file.size} bytes`;
  return {
    code: "truncated",
    what: "the file is too short for a VHD",
    field: "file size",
    found,
    expected: "at least 512 bytes",
  };
}

function checkFooter(footer: Footer, findings: Findings): void {
  if (footer.savedState !== 0) {
    const what = "the image belongs to a saved machine, which would not expect changes";
    findings.add("saved-state", "note", "none", {
      code: "in-use",
      what,
      field: "Saved State",
      found: "1",
      expected: "0",
    });
  }
  const { cylinders, heads, sectorsPerTrack } = footer.geometry;
  const right = geometryOf(Number(footer.currentSize) / SECTOR_BYTES);
  if (cylinders === right.cylinders && heads === right.heads && sectorsPerTrack === right.sectorsPerTrack) return;
  const text = (g: typeof right): string => `${g.cylinders}/${g.heads}/${g.sectorsPerTrack}`;
  const what = "the geometry is not what the size gives";
  const fault: FieldFault = {
    code: "corrupt",
    what,
    field: "Disk Geometry",
    found: text(footer.geometry),
    expected: text(right),
  };
  findings.add("geometry", "note", "none", fault);
}

function checkFixed(footer: Footer, footerAt: number, findings: Findings): void {
  const size = Number(footer.currentSize);
  if (size > footerAt) {
    const what = "the file is smaller than its disk";
    const fault: FieldFault = {
      code: "truncated",
      what,
      field: "Current Size",
      found: `${size}`,
      expected: `${footerAt}`,
    };
    findings.add("truncated", "error", "none", fault);
  } else if (size < footerAt) {
    const what = `${footerAt - size} bytes lie unused between the disk's end and the footer`;
    findings.add("unused-space", "note", "none", { code: "corrupt", what, field: "Current Size", found: `${size}` });
  }
}

function compareFooters(places: FooterPlaces, findings: Findings): void {
  if (places.end === null) {
    for (const fault of places.endFaults) findings.add("end-footer", "warning", "safe", fault);
    return;
  }
  if (places.copy === null) {
    for (const fault of places.copyFaults) findings.add("footer-copy", "warning", "safe", fault);
    if (places.copyFaults.length > 0) return;
    const what = "the footer's copy is that of a fixed disk";
    const [found, expected] = [`${DiskType.FIXED}`, `${places.end.footer.diskType}`];
    findings.add("footer-copy", "warning", "safe", { code: "corrupt", what, field: "Disk Type", found, expected });
    return;
  }
  const [a, b] = [writeFooter(places.end.footer), writeFooter(places.copy)];
  if (a.every((byte, i) => byte === b[i])) return;
  const what = "the footer and its copy say different things";
  const found = `unique id ${places.copy.uniqueId}, size ${places.copy.currentSize}`;
  const expected = `unique id ${places.end.footer.uniqueId}, size ${places.end.footer.currentSize}`;
  findings.add("footers-differ", "warning", "safe", { code: "corrupt", what, field: "footer copy", found, expected });
}

type SparseCheck = Pick<VhdCheck, "header" | "table" | "badBlocks" | "end">;

async function checkSparse(
  file: ImageFile,
  footer: Footer,
  at: number | null,
  findings: Findings,
): Promise<SparseCheck> {
  const nothing = { header: null, table: null, badBlocks: [], end: at ?? file.size };
  const headerAt = Number(footer.dataOffset);
  if (headerAt < FOOTER_BYTES || headerAt + HEADER_BYTES > file.size) {
    const what = "the dynamic disk header is outside of the file";
    findings.add("header", "error", "none", {
      code: "corrupt",
      what,
      field: "Data Offset",
      found: hex(footer.dataOffset),
    });
    return nothing;
  }
  const bytes = new Uint8Array(HEADER_BYTES);
  await file.read(headerAt, [bytes]);
  const { header, faults } = readHeader(bytes);
  for (const fault of faults) findings.add("header", "error", "none", fault);
  if (faults.length > 0) return nothing;
  checkLocators(file, header, findings);
  const wrong = tableFaults(file.size, footer, header);
  for (const fault of wrong) findings.add("table", "error", "none", fault);
  if (wrong.length > 0) return { ...nothing, header };
  const entries = new Uint8Array(tableBytes(header.maxTableEntries));
  const tableAt = Number(header.tableOffset);
  await file.read(tableAt, [entries.subarray(0, Math.min(entries.length, file.size - tableAt))]);
  const table = new BlockTable(entries, header.maxTableEntries);
  const blocks = checkBlocks(file.size, { footer, at }, header, table);
  for (const fault of blocks.faults) findings.add("block", "error", "loses-data", fault);
  noteUnused(blocks.unused, findings);
  return { header, table, badBlocks: blocks.badBlocks, end: blocks.end * SECTOR_BYTES };
}

function checkLocators(file: ImageFile, header: Header, findings: Findings): void {
  header.locators.forEach(({ platformCode, dataLength, dataOffset }, i) => {
    if (platformCode === PlatformCode.NONE || dataLength === 0) return;
    const isInside = dataLength <= MOST_LOCATOR_BYTES && dataOffset + BigInt(dataLength) <= BigInt(file.size);
    if (isInside) return;
    const field = `Parent Locator Entry ${i + 1}`;
    const found = `${dataLength} bytes at ${dataOffset}`;
    const what = "a parent locator points outside of the file";
    findings.add("locator", "warning", "none", {
      code: "corrupt",
      what,
      field,
      found,
      expected: `in ${file.size} bytes`,
    });
  });
}

/** Space that nothing refers to: left by blocks that a crash kept from the table, or were given back. */
function noteUnused(sectors: number, findings: Findings): void {
  if (sectors === 0) return;
  const what = `${sectors * SECTOR_BYTES} bytes of the file hold nothing`;
  findings.add("unused-space", "note", "none", { code: "corrupt", what, field: "Block Allocation Table" });
}
