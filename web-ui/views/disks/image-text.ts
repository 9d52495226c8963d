/** Facts of images in words. */
import type { Finding, ImageInfo, ImageKind } from "../../../control-plane/api/index.js";
import { formatBytes } from "../../state/index.js";

const KINDS: Readonly<Record<ImageKind, string>> = {
  raw: "raw",
  fixed: "fixed VHD",
  dynamic: "dynamic VHD",
  differencing: "differencing VHD",
  qcow2: "qcow2, read only",
};

export const kindOf = ({ kind }: Pick<ImageInfo, "kind">): string => KINDS[kind];

/** Term and text of each fact that is known. */
export function factsOf(info: ImageInfo): (readonly [string, string])[] {
  const { parent } = info;
  const facts: (readonly [string, string | null])[] = [
    ["Format", kindOf(info)],
    ["Disk", formatBytes(info.sizeBytes)],
    ["File", formatBytes(info.fileBytes)],
    ["Written", info.allocatedBytes === undefined ? null : formatBytes(info.allocatedBytes)],
    ["Block", info.blockBytes === undefined ? null : formatBytes(info.blockBytes)],
    [
      "Stands on",
      parent === undefined ? null : parent.name === null ? `${parent.told}, which is not here` : parent.name,
    ],
    ["Created", info.createdMs === undefined ? null : new Date(info.createdMs).toLocaleString()],
    ["Creator", info.creator ?? null],
    ["UUID", info.uniqueId ?? null],
  ];
  return facts.filter((fact): fact is readonly [string, string] => fact[1] !== null);
}

/** A finding of a check as one line. */
export function findingText({ severity, file, fault }: Finding): string {
  const { what, field, found, expected } = fault as { what: string; field?: string; found?: string; expected?: string };
  const details = [field && `field ${field}`, found && `found ${found}`, expected && `expected ${expected}`];
  const known = details.filter(Boolean).join(", ");
  return `${severity}: ${file}: ${what}${known === "" ? "" : ` (${known})`}`;
}
