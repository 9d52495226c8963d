/** What is said of images. */
import type { ImageApi, ImageNode } from "../../../api/index.js";
import { formatSize } from "./size.js";

type Info = Awaited<ReturnType<ImageApi["info"]>>;
type Finding = Awaited<ReturnType<ImageApi["check"]>>[number];

const WIDTH = 12;
const date = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

export function formatInfo(info: Info): string {
  const kind = info.format === info.kind ? info.kind : `${info.format}, ${info.kind}`;
  const parent = info.parent && `${info.parent.name ?? `missing: ${info.parent.told}`}`;
  const lines: readonly (readonly [string, string | undefined])[] = [
    ["image", info.name],
    ["kind", kind],
    ["size", `${formatSize(info.sizeBytes)} (${info.sizeBytes} bytes)`],
    ["file", formatSize(info.fileBytes)],
    ["used", info.allocatedBytes === undefined ? undefined : formatSize(info.allocatedBytes)],
    ["block", info.blockBytes === undefined ? undefined : formatSize(info.blockBytes)],
    ["parent", parent],
    ["uuid", info.uniqueId],
    ["creator", info.creator],
    ["created", info.createdMs === undefined ? undefined : date(info.createdMs)],
    ["changed", date(info.modifiedMs)],
  ];
  return lines.flatMap(([name, text]) => (text === undefined ? [] : [`${name.padEnd(WIDTH)}${text}\n`])).join("");
}

export function formatTree(nodes: readonly ImageNode[]): string {
  const rows: (readonly [string, ImageNode])[] = [];
  const walk = (list: readonly ImageNode[], indent: string, isTop: boolean): void => {
    list.forEach((node, index) => {
      const isLast = index === list.length - 1;
      rows.push([`${indent}${isTop ? "" : isLast ? "└─ " : "├─ "}${node.name}`, node]);
      walk(node.children, indent + (isTop ? "" : isLast ? "   " : "│  "), false);
    });
  };
  walk(nodes, "", true);
  if (rows.length === 0) return "no images here\n";
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, node]) => `${name.padEnd(width)}  ${describe(node)}\n`).join("");
}

function describe({ info, problem }: ImageNode): string {
  if (info === null) return problem ?? "unreadable";
  const lost = info.parent?.name === null ? "  parent missing" : "";
  return `${formatSize(info.sizeBytes).padStart(10)}  ${formatSize(info.fileBytes).padStart(10)} file  ${info.kind}${lost}`;
}

export function formatFinding({ severity, file, fault, repair }: Finding): string {
  const facts = [
    `field ${fault.field}`,
    ...(fault.found === undefined ? [] : [`found ${fault.found}`]),
    ...(fault.expected === undefined ? [] : [`expected ${fault.expected}`]),
  ].join(", ");
  const mend = { none: "", safe: "; repair mends it", "loses-data": "; repair --give-up-blocks gives it up" }[repair];
  return `${severity}: ${file}: ${fault.what} (${facts})${severity === "note" ? "" : mend}\n`;
}
