/** The verbs below `xl vhd`: a thin layer on what storage can do. */
import type { ImageApi } from "../../../api/index.js";
import { usageError } from "../../errors.js";
import { imagePath } from "../../image-paths.js";
import { print, say } from "../../output.js";
import { formatFinding, formatInfo, formatTree } from "./format.js";
import { withImages } from "./images.js";
import { progressLine } from "./progress.js";
import { parseSize } from "./size.js";

type Kind = "dynamic" | "fixed" | "raw";
type Format = "raw" | "vhd" | "qcow2";
interface LookOptions {
  readonly format?: Format;
  readonly long?: boolean;
}

/** Without a verb: how to find one. */
export async function vhd(): Promise<number> {
  throw usageError('give a verb, as in "xl vhd list"; "xl vhd --help" lists them');
}

/** Makes names absolute: the host's folder is another one. */
async function on(names: readonly string[], work: (images: ImageApi, ...paths: string[]) => Promise<void>) {
  const paths = await Promise.all(names.map((name) => imagePath(name)));
  await withImages((images) => work(images, ...paths));
  return 0;
}

export function create([image, size]: readonly string[], { type = "dynamic" }: { readonly type?: Kind }) {
  const bytes = parseSize(size!);
  return on([image!], (images, path) => images.create(path!, { bytes, kind: type }));
}

export function info([image]: readonly string[], { format, long = false }: LookOptions) {
  return on([image!], async (images, path) => {
    const found = await images.info(path!, format);
    print(long ? `${JSON.stringify(found, null, 2)}\n` : formatInfo(found));
  });
}

export function list([folder = "."]: readonly string[], { long = false }: LookOptions) {
  return on([folder], async (images, path) => {
    const nodes = await images.tree(path!);
    print(long ? `${JSON.stringify(nodes, null, 2)}\n` : formatTree(nodes));
  });
}

export async function check([image]: readonly string[], { format, long = false }: LookOptions): Promise<number> {
  const path = await imagePath(image!);
  const findings = await withImages((images) => images.check(path, format));
  const wrong = findings.filter(({ severity }) => severity !== "note");
  if (long) print(`${JSON.stringify(findings, null, 2)}\n`);
  else print(findings.length === 0 ? `${image}: no damage\n` : findings.map(formatFinding).join(""));
  return wrong.length === 0 ? 0 : 1;
}

export function repair([image]: readonly string[], { giveUpBlocks = false }: { readonly giveUpBlocks?: boolean }) {
  return on([image!], async (images, path) => {
    const mended = await images.repair(path!, { giveUpBlocks });
    print(mended.length === 0 ? `${image}: nothing that could be mended\n` : mended.map(formatFinding).join(""));
  });
}

interface SnapshotFlags {
  readonly quiesce?: boolean;
  readonly tryQuiesce?: boolean;
}

export function snapshot([image, name]: readonly string[], { quiesce, tryQuiesce }: SnapshotFlags) {
  if (quiesce && tryQuiesce) throw usageError("give --quiesce or --try-quiesce, not both");
  return on([image!, name!], async (images, path, target) => {
    const { reason } = await images.snapshot(path!, target!, { quiesce: tryQuiesce ? "try" : (quiesce ?? false) });
    if (reason !== null) say(`the snapshot is what a power cut would have left: ${reason}`);
  });
}

export const clone = ([parent, image]: readonly string[]) =>
  on([parent!, image!], (images, path, target) => images.clone(path!, target!));

export const coalesce = ([image]: readonly string[]) =>
  on([image!], (images, path) => progressLine((onProgress) => images.coalesce(path!, { onProgress })));

export const revert = ([image, name]: readonly string[]) =>
  on([image!, name!], (images, path, target) => images.revert(path!, target!));

export function resize([image, size]: readonly string[]) {
  const bytes = parseSize(size!);
  return on([image!], (images, path) => images.resize(path!, bytes));
}

export function convert([source, target]: readonly string[], { type = "dynamic" }: { readonly type?: Kind }) {
  return on([source!, target!], (images, from, to) =>
    progressLine((onProgress) => images.convert(from!, to!, { kind: type, onProgress })),
  );
}

export const rename = ([image, name]: readonly string[]) =>
  on([image!, name!], (images, path, target) => images.rename(path!, target!));

export const setParent = ([image, parent]: readonly string[]) =>
  on([image!, parent!], (images, path, target) => images.setParent(path!, target!));

export function remove(names: readonly string[]) {
  return on(names, async (images, ...paths) => {
    for (const path of paths) await images.remove(path);
  });
}
