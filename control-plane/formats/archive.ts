// ArchiveEntry: one file of a tar or cpio archive, in the terms of Unix inodes.

/** File types in the upper bits of a mode, as stat(2) has them. */
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/** One file: its type is in `mode`, and `data` is its content, or the target of a symbolic link as UTF-8. */
export interface ArchiveEntry {
  /** Path with "/" between parts and neither "./" nor "/" in front. */
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeSeconds?: number;
  /** Device numbers of character and block devices. */
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  /** The path of the entry whose content this hard link shares; its own `data` is empty. */
  readonly hardLinkTo?: string;
}

/** The path in the form that {@link ArchiveEntry} asks for: no "." parts, no "/" at either end. */
export function normalizePath(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}
