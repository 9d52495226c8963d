/** The programs of others that tests compare with, and how they get onto the machine. */
import { spawnSync } from "node:child_process";

export interface Program {
  readonly commands: readonly string[];
  /** What people call it, where that is not the first command. */
  readonly name?: string;
  /** Debian's package. */
  readonly package: string;
  /** Arguments that succeed when it is there; else it is enough that it runs. */
  readonly probe?: readonly string[];
}

const PROGRAMS: readonly Program[] = [
  { commands: ["chromium", "chromium-browser", "google-chrome"], package: "chromium" },
  { commands: ["firefox-esr", "firefox"], package: "firefox-esr" },
  { commands: ["objdump"], package: "binutils" },
  { commands: ["xz"], package: "xz-utils" },
  { commands: ["lz4"], package: "lz4" },
  { commands: ["zstd"], package: "zstd" },
  { commands: ["cpio"], package: "cpio" },
  { commands: ["dpkg-deb"], package: "dpkg" },
  { commands: ["tar"], package: "tar" },
  { commands: ["gzip"], package: "gzip" },
  { commands: ["gcc"], package: "gcc" },
  { commands: ["make"], package: "make" },
  // objtool, which checks a kernel module that is built, is linked with it.
  {
    commands: ["sh"],
    name: "libelf",
    package: "libelf1",
    probe: ["-c", "/sbin/ldconfig -p | grep -q 'libelf\\.so\\.1 '"],
  },
  { commands: ["mke2fs"], package: "e2fsprogs" },
  { commands: ["qemu-img"], package: "qemu-utils" },
  { commands: ["vhdiinfo"], package: "libvhdi-utils" },
  { commands: ["/usr/bin/python3"], package: "python3-libvhdi", probe: ["-c", "import pyvhdi"] },
  { commands: ["7z"], package: "p7zip-full" },
  { commands: ["tcpdump"], package: "tcpdump" },
];

const exists = (command: string): boolean => spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;
const isThere = ({ commands, probe }: Program): boolean =>
  commands.some((c) => (probe === undefined ? exists(c) : spawnSync(c, probe, { stdio: "ignore" }).status === 0));
const missing = (programs: readonly Program[]): Program[] => programs.filter((p) => !isThere(p));

/** What it could not do shows afterwards, by what is still missing. */
function aptGet(...args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"], env });
}

/** Makes sure that every program is there: installs what is missing with apt when root, else fails with what to do. */
export async function requirePrograms(programs: readonly Program[] = PROGRAMS): Promise<void> {
  let lacking = missing(programs);
  if (lacking.length === 0) return;
  const packages = lacking.map((p) => p.package);
  if (exists("apt-get") && process.getuid?.() === 0) {
    process.stderr.write(`installing ${packages.join(" ")}\n`);
    aptGet("update", "-q");
    aptGet("install", "-qy", "--no-install-recommends", ...packages);
    lacking = missing(programs);
    if (lacking.length === 0) return;
  }
  const names = lacking.map((p) => `${p.name ?? p.commands[0]} (Debian package ${p.package})`).join(", ");
  process.stderr.write(
    `The tests compare with programs that this machine lacks: ${names}.\nInstall them and run this again.\n`,
  );
  process.exit(1);
}
