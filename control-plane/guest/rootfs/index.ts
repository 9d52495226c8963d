// The default guest's initramfs: busybox with its applets, our /init, a few files of /etc, and kernel modules.
import { type ArchiveEntry, encodeUtf8, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG, writeCpio } from "../../formats/index.js";
import { readAppletNames } from "./busybox.js";
import { INIT_SCRIPT, TEXT_FILES, UEVENT_SCRIPT } from "./files.js";
import { FREEZE_AGENT } from "./freeze-agent.js";
import { DHCP_SCRIPT, NETQUEUES_SCRIPT, NETUP_SCRIPT } from "./network.js";

export { EXEC_STATUS_PREFIX } from "./files.js";
export { FREEZE_AGENT } from "./freeze-agent.js";
export { DHCP_SCRIPT, NETQUEUES_SCRIPT, NETUP_SCRIPT } from "./network.js";

const FOLDERS = ["bin", "dev", "etc", "lib", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var"];

/** Everything is in /bin; the other places lead there. */
const LINKS: Readonly<Record<string, string>> = {
  sbin: "bin",
  "usr/bin": "../bin",
  "usr/sbin": "../bin",
  "etc/mtab": "../proc/self/mounts",
  "var/run": "../run",
  "var/tmp": "../tmp",
};

const NO_DATA = new Uint8Array(0);

function folder(path: string): ArchiveEntry {
  return { path, mode: S_IFDIR | (path === "root" ? 0o700 : 0o755), data: NO_DATA };
}

function link(path: string, target: string): ArchiveEntry {
  return { path, mode: S_IFLNK | 0o777, data: encodeUtf8(target) };
}

function file(path: string, data: Uint8Array, permissions = 0o644): ArchiveEntry {
  return { path, mode: S_IFREG | permissions, data };
}

/** The folders that must stand before these files. */
function parentFolders(files: readonly ArchiveEntry[], known: ReadonlySet<string>): ArchiveEntry[] {
  const found = new Set<string>();
  for (const { path } of files) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      const parent = path.slice(0, slash);
      if (!known.has(parent)) found.add(parent);
    }
  }
  return [...found].sort().map(folder);
}

/** The parts that an initramfs is made of. */
export interface InitramfsParts {
  readonly busybox: Uint8Array;
  /** Module files and their index, by full path. */
  readonly moduleFiles: readonly ArchiveEntry[];
  /** Names for /etc/modules, which /init loads. */
  readonly loadAtBoot: readonly string[];
}

/** The entries of the initramfs, directories first. All belong to root and carry no time, so equal parts give equal bytes. */
export function initramfsEntries(parts: InitramfsParts): ArchiveEntry[] {
  const modules = parts.moduleFiles.map(({ path, data }) => file(path, data));
  const etcModules = `# Modules that /init loads, one a line.\n${parts.loadAtBoot.map((name) => `${name}\n`).join("")}`;
  const applets = readAppletNames(parts.busybox).filter((name) => name !== "busybox");
  return [
    ...FOLDERS.map(folder),
    { ...file("dev/console", NO_DATA), mode: S_IFCHR | 0o600, deviceMajor: 5, deviceMinor: 1 },
    ...Object.entries(LINKS).map(([path, target]) => link(path, target)),
    file("init", encodeUtf8(INIT_SCRIPT), 0o755),
    file("etc/uevent", encodeUtf8(UEVENT_SCRIPT), 0o755),
    file("etc/netup", encodeUtf8(NETUP_SCRIPT), 0o755),
    file("etc/netqueues", encodeUtf8(NETQUEUES_SCRIPT), 0o755),
    file("etc/udhcpc.script", encodeUtf8(DHCP_SCRIPT), 0o755),
    file("bin/freeze-agent", encodeUtf8(FREEZE_AGENT), 0o755),
    file("bin/busybox", parts.busybox, 0o755),
    ...(applets.length > 0 ? applets : ["sh", "init", "mount", "modprobe", "poweroff"]).map((name) =>
      link(`bin/${name}`, "busybox"),
    ),
    ...Object.entries(TEXT_FILES).map(([path, text]) => file(path, encodeUtf8(text))),
    file("etc/modules", encodeUtf8(etcModules)),
    ...parentFolders(modules, new Set(FOLDERS)),
    ...modules,
  ];
}

/** The initramfs as a newc archive. */
export function buildInitramfs(parts: InitramfsParts): Uint8Array {
  return writeCpio(initramfsEntries(parts));
}
