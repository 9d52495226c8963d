/** Mends what can be mended in a VHD file. Only what the caller asked for: what loses data is another question. */
import { SECTOR_BYTES } from "../disk.js";
import type { ImageFile } from "../image-file.js";
import { ENTRY_BYTES, UNUSED } from "./bat.js";
import { checkVhd, type Finding } from "./check.js";
import { DiskType, writeFooter } from "./footer.js";

export interface RepairOptions {
  /** Gives up blocks that cannot be right: what they held reads as zeros, or as the parent's. */
  readonly giveUpBlocks?: boolean;
}

/** Repairs, and answers what was mended. The file is open for writing, and no disk uses it. */
export async function repairVhd(file: ImageFile, options: RepairOptions = {}): Promise<readonly Finding[]> {
  const check = await checkVhd(file);
  const mended = check.findings.filter(
    ({ repair }) => repair === "safe" || (repair === "loses-data" && options.giveUpBlocks === true),
  );
  const { footer, header, table } = check;
  if (mended.length === 0 || footer === null || footer.diskType === DiskType.FIXED) return [];
  const bytes = writeFooter(footer);
  // The copy first: until the end is good again it is the only one.
  if (mended.some(({ kind }) => kind === "footer-copy" || kind === "footers-differ")) {
    file.write(0, [bytes]);
    await file.sync();
  }
  if (mended.some(({ kind }) => kind === "end-footer")) {
    const end = Math.ceil(check.end / SECTOR_BYTES) * SECTOR_BYTES;
    file.write(end, [bytes]);
    await file.sync();
  }
  if (mended.some(({ kind }) => kind === "block") && table !== null && header !== null) {
    const view = new DataView(table.bytes.buffer, table.bytes.byteOffset, table.bytes.byteLength);
    for (const block of check.badBlocks) view.setUint32(block * ENTRY_BYTES, UNUSED);
    file.write(Number(header.tableOffset), [table.bytes]);
    await file.sync();
  }
  return mended;
}
