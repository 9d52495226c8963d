/** The programs of others that tests compare with, and how they get onto the machine. */
import { execFileSync, spawnSync } from "node:child_process";

export interface Program {
  readonly commands: readonly string[];
  /** Debian's package. */
  readonly package: string;
}

const PROGRAMS: readonly Program[] = [
  { commands: ["chromium", "chromium-browser", "google-chrome"], package: "chromium" },
  { commands: ["objdump"], package: "binutils" },
  { commands: ["xz"], package: "xz-utils" },
  { commands: ["lz4"], package: "lz4" },
  { commands: ["zstd"], package: "zstd" },
  { commands: ["cpio"], package: "cpio" },
  { commands: ["dpkg-deb"], package: "dpkg" },
  { commands: ["tar"], package: "tar" },
  { commands: ["gzip"], package: "gzip" },
];

const exists = (command: string): boolean => spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;
const missing = (programs: readonly Program[]): Program[] => programs.filter((p) => !p.commands.some(exists));

/** Makes sure that every program is there: installs what is missing with apt when root, else fails with what to do. */
export async function requirePrograms(programs: readonly Program[] = PROGRAMS): Promise<void> {
  let lacking = missing(programs);
  if (lacking.length === 0) return;
  const packages = lacking.map((p) => p.package);
  if (exists("apt-get") && process.getuid?.() === 0) {
    process.stderr.write(`installing ${packages.join(" ")}\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    execFileSync("apt-get", ["update", "-q"], { stdio: ["ignore", "ignore", "inherit"], env });
    execFileSync("apt-get", ["install", "-qy", "--no-install-recommends", ...packages], {
      stdio: ["ignore", "ignore", "inherit"],
      env,
    });
    lacking = missing(programs);
    if (lacking.length === 0) return;
  }
  const names = lacking.map((p) => `${p.commands[0]} (Debian package ${p.package})`).join(", ");
  process.stderr.write(
    `The tests compare with programs that this machine lacks: ${names}.\nInstall them and run this again.\n`,
  );
  process.exit(1);
}
