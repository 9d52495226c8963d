/** Checking and repairing images by name: the file, and for a chain every image below it. */
import { StorageError, sentence, toStorageError } from "../errors.js";
import { detectFormat, type ImageFormat } from "../format.js";
import type { ImageFile } from "../image-file.js";
import { backingMissing, changedFault, type Images, refuseLoop } from "../images.js";
import { INTENT_ENDING, MERGE_ENDING } from "../notes.js";
import { backingFormatOf, ClusterMap, type Qcow2Header, readQcow2Header } from "../qcow2/index.js";
import { peekIdentity, rightParent } from "../tree.js";
import { checkVhd, type Finding } from "../vhd/check.js";
import { fromVhdTime, toVhdTime } from "../vhd/fields.js";
import { DiskType } from "../vhd/footer.js";
import type { Header } from "../vhd/header.js";
import { isAddress, parentMissing, parentNames } from "../vhd/parent.js";
import { type RepairOptions, repairVhd } from "../vhd/repair.js";
import { MOST_FAULTS } from "../vhd/sparse-image.js";

/** Looks for damage in an image and all that it stands on, and names all that it finds. Changes nothing. */
export async function checkImage(images: Images, name: string, format?: ImageFormat): Promise<Finding[]> {
  const findings: Finding[] = [];
  await checkChain(images, name, format, [], findings);
  return findings;
}

const NOTES = [
  [INTENT_ENDING, "an operation on the image was interrupted"],
  [
    MERGE_ENDING,
    "a merge into the image was interrupted, and left it with another time than those say that stand on it",
  ],
] as const;

async function checkNotes(images: Images, name: string, findings: Finding[]): Promise<void> {
  for (const [ending, what] of NOTES) {
    if (!(await images.folder.exists(name + ending))) continue;
    const fault = { code: "in-use", what, field: "intent", expected: "recovery of the folder" } as const;
    findings.push({ kind: "unfinished", severity: "warning", repair: "none", file: name, fault });
  }
}

async function checkChain(
  images: Images,
  name: string,
  told: ImageFormat | undefined,
  chain: readonly string[],
  findings: Finding[],
): Promise<void> {
  const file = await images.folder.peek(name);
  await checkNotes(images, name, findings);
  try {
    const format = told ?? (await detectFormat(file));
    if (format === "raw") return;
    if (format === "qcow2") return await checkQcow2(images, file, chain, findings);
    const { footer, header, findings: own } = await checkVhd(file);
    findings.push(...own);
    if (header === null || footer?.diskType !== DiskType.DIFFERENCING) return;
    if (isAddress(header.parentName)) await checkRemote(images, name, header, findings);
    else await checkParent(images, file, header, [...chain, name], findings);
  } finally {
    await file.close();
  }
}

async function checkQcow2(
  images: Images,
  file: ImageFile,
  chain: readonly string[],
  findings: Finding[],
): Promise<void> {
  const { name } = file;
  let header: Qcow2Header;
  try {
    header = await readQcow2Header(file);
    const map = await ClusterMap.open(file, header);
    for (const fault of await map.faults(MOST_FAULTS)) findings.push(thrown("table", name, fault));
  } catch (error) {
    findings.push(thrown("header", name, error));
    return;
  }
  if (header.backingFile === null) return;
  const backing = images.folder.resolve(name, header.backingFile);
  try {
    if (backing === null || !(await images.folder.exists(backing))) throw backingMissing(name, header.backingFile);
    refuseLoop(backing, [...chain, name]);
  } catch (error) {
    findings.push(thrown("parent", name, error));
    return;
  }
  await checkChain(images, backing, backingFormatOf(header), [...chain, name], findings);
}

async function checkParent(
  images: Images,
  file: ImageFile,
  header: Header,
  chain: readonly string[],
  findings: Finding[],
): Promise<void> {
  const name = await rightParent(images, header.parentUniqueId, await parentNames(images.folder, file, header));
  if (name === null) {
    findings.push(thrown("parent", file.name, await parentMissing(images.folder, file, header)));
    return;
  }
  try {
    refuseLoop(name, chain);
  } catch (error) {
    findings.push(thrown("parent", file.name, error));
    return;
  }
  const other = await identityFault(images, name, file.name, header).catch((error: unknown) =>
    toStorageError(error, name),
  );
  if (other !== null) findings.push(thrown("parent", file.name, other));
  else await noteTime(images, name, file.name, header, findings);
  await checkChain(images, name, undefined, chain, findings);
}

/** A parent across the network has none of its own. Its server is asked; one that gives no answer says nothing of the image. */
async function checkRemote(images: Images, child: string, header: Header, findings: Finding[]): Promise<void> {
  const { parentName: address, parentUniqueId } = header;
  try {
    const found = await images.remoteIdentity(address);
    if (found !== parentUniqueId) throw changedFault(child, header, address, found);
  } catch (error) {
    const isOut = toStorageError(error, address).code === "network";
    findings.push({ ...thrown("parent", child, error), ...(isOut && { severity: "warning" }) });
  }
}

/** A copy of a parent may have another time, so that this alone says little. */
async function noteTime(
  images: Images,
  name: string,
  child: string,
  header: Header,
  findings: Finding[],
): Promise<void> {
  const parent = await images.folder.peek(name);
  const found = toVhdTime(parent.modifiedMs);
  const format = await detectFormat(parent).finally(() => parent.close());
  if (found === header.parentTimeStamp || format !== "vhd") return;
  const text = (seconds: number): string => new Date(fromVhdTime(seconds)).toISOString();
  const what = `${name} has been copied or changed since the image was made for it`;
  const field = "Parent Time Stamp";
  const fault = {
    code: "parent-changed",
    what,
    field,
    found: text(found),
    expected: text(header.parentTimeStamp),
  } as const;
  findings.push({ kind: "parent", severity: "note", repair: "none", file: child, fault });
}

/** Whether the image of that name is the one that the child was made for, as far as it can be told. */
async function identityFault(
  images: Images,
  name: string,
  child: string,
  header: Header,
): Promise<StorageError | null> {
  const found = await peekIdentity(images, name);
  // One that cannot be read is told of by its own check.
  if (found === null || found === header.parentUniqueId) return null;
  return changedFault(child, header, name, found);
}

/** A failure as a finding, which says file, field and values itself. */
function thrown(kind: Finding["kind"], file: string, error: unknown): Finding {
  const failure = toStorageError(error, file);
  const { code, field = kind, found, expected, next } = failure;
  const what = sentence(failure.what, {
    ...(failure.file !== undefined && failure.file !== file && { file: failure.file }),
    ...(next !== undefined && { next }),
  });
  const facts = { ...(found !== undefined && { found }), ...(expected !== undefined && { expected }) };
  return { kind, severity: "error", repair: "none", file, fault: { code, what, field, ...facts } };
}

/** Repairs one image that nobody uses, and answers what was mended. Parents are images of their own. */
export async function repairImage(
  images: Images,
  name: string,
  options: RepairOptions = {},
): Promise<readonly Finding[]> {
  const file = await images.folder.open(name, "write");
  try {
    if ((await detectFormat(file)) !== "vhd") {
      throw new StorageError("unsupported", "only VHDs can be repaired", { file: name });
    }
    const mended = await repairVhd(file, options);
    // What it shows has not changed: children go on remembering that time.
    if (mended.length > 0 && mended.every(({ repair }) => repair === "safe")) file.setModified(file.modifiedMs);
    return mended;
  } finally {
    await file.close();
  }
}
