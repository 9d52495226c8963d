// The manifest of a prepared guest: what it was made of, and which files belong to it. Written last, so that a guest with
// a manifest is whole.
import { join } from "node:path";
import * as v from "valibot";
import { fileSize, readJson } from "./cache.js";

const File = v.object({ file: v.string(), sizeBytes: v.number(), sha256: v.string() });

const Manifest = v.object({
  recipe: v.number(),
  flavour: v.picklist(["cloud", "full"]),
  /** The kernel's own version string, as in `uname -r`. */
  release: v.string(),
  /** Where the packages came from. */
  source: v.string(),
  createdAt: v.string(),
  kernel: File,
  initramfs: File,
  /** Modules in the initramfs. */
  modules: v.array(v.string()),
  packages: v.array(v.object({ name: v.string(), version: v.string(), sha256: v.string() })),
});

export type GuestManifest = v.InferOutput<typeof Manifest>;

export const MANIFEST_FILE = "manifest.json";

/** Where a guest is stored, and the version of the recipe it must have been made with. */
export interface StoredGuest {
  readonly folder: string;
  readonly recipe: number;
}

/** The manifest of a stored guest, or undefined when the guest is absent, incomplete, or of an older recipe. */
export async function readManifest(stored: StoredGuest): Promise<GuestManifest | undefined> {
  const parsed = v.safeParse(Manifest, await readJson(join(stored.folder, MANIFEST_FILE)));
  if (!parsed.success || parsed.output.recipe !== stored.recipe) return undefined;
  const { kernel, initramfs } = parsed.output;
  for (const { file, sizeBytes } of [kernel, initramfs]) {
    if ((await fileSize(join(stored.folder, file))) !== sizeBytes) return undefined;
  }
  return parsed.output;
}
