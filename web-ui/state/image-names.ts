/** Names of images and of guests' disks: what to suggest, and which are possible. Pure functions. */
import { type ImageNode, parseVdev, vdevName } from "../../control-plane/api/index.js";

/** Names that tell an image's format, and no kernel's. */
const IMAGE_ENDING = /\.(vhd|raw|iso|qcow2)$/i;
const VDEVS_SUGGESTED = 16;

export function looksLikeImage(fileName: string): boolean {
  return IMAGE_ENDING.test(fileName);
}

/** A file's name as an image's: no folder, no dot before, no ending that means unfinished. */
export function imageNameOf(fileName: string): string {
  const last = fileName.split(/[\\/]/).pop() ?? "";
  const name = last
    .replace(/[\x00-\x1f]/g, "")
    .replace(/^\.+/, "")
    .replace(/~+$/, "");
  return name.slice(-200) || "image.raw";
}

/** What is wrong with a name for an image, or null. */
export function nameProblem(name: string, taken: ReadonlySet<string>): string | null {
  if (name === "") return "A name is needed.";
  if (imageNameOf(name) !== name) return "A name has no slash, begins with no dot and does not end in ~.";
  return taken.has(name) ? `There is an image ${name} already.` : null;
}

/** `name`, or the first of name-2, name-3 … before its ending that is free. */
export function freeImageName(name: string, taken: ReadonlySet<string>): string {
  const { stem, ending } = split(name);
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${stem}-${number}${ending}`;
  return free;
}

/** What an earlier derivation put there. */
const DERIVED = /-(snapshot|clone|layer|copy)-\d+$/;

type Derivation = "snapshot" | "clone" | "layer" | "copy";

/** A name for what comes of an image: `disk.vhd` with "snapshot" becomes `disk-snapshot-1.vhd`. Always a VHD. */
export function derivedName(name: string, what: Derivation, taken: ReadonlySet<string>): string {
  const stem = split(name).stem.replace(DERIVED, "");
  let number = 1;
  while (taken.has(`${stem}-${what}-${number}.vhd`)) number++;
  return `${stem}-${what}-${number}.vhd`;
}

function split(name: string): { stem: string; ending: string } {
  const ending = /\.(vhd|raw|img|iso|qcow2)$/i.exec(name)?.[0] ?? "";
  return { stem: name.slice(0, name.length - ending.length), ending };
}

/** The first of xvda, xvdb … that is not among `used`, whatever these are called. */
export function suggestVdev(used: readonly string[]): string {
  const ids = new Set(used.map((name) => parseVdev(name)?.id));
  for (let disk = 0; disk < VDEVS_SUGGESTED; disk++) {
    const { id, name } = parseVdev(`d${disk}`)!;
    if (!ids.has(id)) return name;
  }
  return vdevName(parseVdev(`d${VDEVS_SUGGESTED}`)!.id);
}

/** Every image of some trees, parents before children. */
export function allImages(trees: readonly ImageNode[]): ImageNode[] {
  return trees.flatMap((node) => [node, ...allImages(node.children)]);
}

/** The images that stand on one, directly and further up. */
export function dependentsOf(trees: readonly ImageNode[], name: string): string[] {
  const node = allImages(trees).find((image) => image.name === name);
  return node === undefined ? [] : allImages(node.children).map((image) => image.name);
}

/** The images that one stands on, nearest first, as far as they are here. */
export function ancestorsOf(trees: readonly ImageNode[], name: string): string[] {
  for (const node of trees) {
    if (node.name === name) return [];
    if (allImages(node.children).some((image) => image.name === name)) {
      return [...ancestorsOf(node.children, name), node.name];
    }
  }
  return [];
}

const UNITS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** "10 GiB", "512M", "1.5g": bytes, a multiple of 512; null for what is no size. */
export function parseSize(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([kmgt])(?:i?b)?\s*$/i.exec(text);
  if (found === null) return null;
  const bytes = Number(found[1]) * UNITS[found[2]!.toLowerCase()]!;
  const whole = Math.ceil(bytes / 512) * 512;
  return Number.isSafeInteger(whole) && whole > 0 ? whole : null;
}
