// Lays the files of packages out in a folder, without their owners.
import { chmod, link, lstat, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ArchiveEntry, decodeUtf8, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../formats/index.js";

/** Throws what the file system throws. */
export async function layOut(entries: readonly ArchiveEntry[], staging: string): Promise<void> {
  await mkdir(staging, { recursive: true });
  const folders: ArchiveEntry[] = [];
  for (const entry of entries) {
    const path = join(staging, entry.path);
    await mkdir(dirname(path), { recursive: true });
    const type = entry.mode & S_IFMT;
    if (type === S_IFDIR) {
      await mkdir(path, { recursive: true });
      folders.push(entry);
      continue;
    }
    await rm(path, { force: true, recursive: true });
    if (entry.hardLinkTo !== undefined) await link(join(staging, entry.hardLinkTo), path);
    else if (type === S_IFLNK) await symlink(decodeUtf8(entry.data), path);
    else if (type === S_IFREG) {
      await writeFile(path, entry.data);
      await chmod(path, entry.mode & 0o777);
    }
  }
  // Last: a folder that may not be written to cannot be filled.
  for (const { path, mode } of folders.reverse()) {
    if ((await lstat(join(staging, path))).isDirectory()) await chmod(join(staging, path), (mode & 0o777) | 0o700);
  }
}
