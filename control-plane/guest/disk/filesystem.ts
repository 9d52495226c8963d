// A file system image of entries, by mke2fs: files are laid out in a folder, and what only root may give them is set in the
// image afterwards, so that nobody needs to be root.
import { rm, writeFile } from "node:fs/promises";
import { type ArchiveEntry, S_IFLNK, S_IFMT } from "../../formats/index.js";
import { err, ok } from "../../util/index.js";
import { fromException, type GuestResult } from "../errors.js";
import { layOut } from "../lay-out.js";
import { runProgram } from "../run-program.js";

/** What is said where the program is not: it makes file systems without root on any Unix. */
const NO_MKE2FS =
  "mke2fs is not here, and makes the file system: install e2fsprogs (Debian: apt install e2fsprogs; macOS: brew install " +
  "e2fsprogs and put its sbin into PATH; Windows: use WSL), or take a disk that was made on another machine";
const PERMISSIONS = 0o7777;

/** Makes an ext4 image of `sizeBytes` at `image`; `staging` is a folder of its own, that is removed again. */
export async function makeExt4(
  entries: readonly ArchiveEntry[],
  image: string,
  sizeBytes: number,
  staging: string,
): Promise<GuestResult<void>> {
  try {
    await layOut(entries, staging);
    const size = `${Math.floor(sizeBytes / 1024)}k`;
    const features = ["-t", "ext4", "-F", "-q", "-m", "0", "-b", "4096", "-E", "root_owner=0:0,lazy_itable_init=0"];
    const made = await runTool("mke2fs", [...features, "-L", "root", "-d", staging, image, size]);
    if (!made.ok) return made;
    return await setOwners(entries, image, `${staging}.debugfs`);
  } catch (error) {
    return fromException("io", "the file system's files cannot be laid out", error);
  } finally {
    await rm(staging, { recursive: true, force: true });
    await rm(`${staging}.debugfs`, { force: true });
  }
}

/** The whole mode and owner of each file, which the folder could not have. */
async function setOwners(entries: readonly ArchiveEntry[], image: string, script: string): Promise<GuestResult<void>> {
  const paths = new Set<string>();
  const lines: string[] = [];
  for (const { path, mode, uid = 0, gid = 0 } of entries) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1))
      paths.add(path.slice(0, slash));
    paths.delete(path);
    lines.push(...fields(path, uid, gid));
    if ((mode & S_IFMT) !== S_IFLNK)
      lines.push(`sif "/${path}" mode 0${((mode & S_IFMT) | (mode & PERMISSIONS)).toString(8)}`);
  }
  lines.unshift(...[...paths].flatMap((path) => fields(path, 0, 0)), ...fields("lost+found", 0, 0));
  await writeFile(script, `${lines.join("\n")}\n`);
  return runTool("debugfs", ["-w", "-f", script, image]);
}

const fields = (path: string, uid: number, gid: number): string[] => [
  `sif "/${path}" uid ${uid}`,
  `sif "/${path}" gid ${gid}`,
];

async function runTool(tool: string, args: readonly string[]): Promise<GuestResult<void>> {
  const run = await runProgram(tool, args);
  if (!run.ok) return err("tool", NO_MKE2FS);
  if (run.value.status === 0) return ok(undefined);
  return err("tool", `${tool} failed: ${run.value.stderr.trim().split("\n").at(-1) ?? `status ${run.value.status}`}`);
}
