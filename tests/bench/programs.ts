/**
 * Makes the folder that holds the bench's programs: the sources compiled for both words with the machine's gcc, busybox, a
 * text to compress, and the shell script. The folder runs on this machine as it is, and goes into each guest as /bench.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "../support/random.js";
import { bigCodeSource } from "./big-code.js";
import { BIG_CODE, RECIPES, type Recipe, type Task, WORDS, type Word } from "./workloads.js";

const SOURCES = fileURLToPath(new URL("programs/", import.meta.url));
const TEXT_BYTES = 1 << 20;
/** Of the source that the compiler is given. */
const COMPILED_FUNCTIONS = 50;
/** What the C library calls a library of a version. */
const LIBRARY = /\.so\.\d+$/;
/** In the folder of the programs: reads the CPU time of a process; and runs a command and says what it took. */
export const CLOCK = "clock.64";
export const TIMED = "timed.64";

const FLAGS = [
  ...["-std=gnu11", "-O2", "-fno-math-errno", "-Wall", "-Wextra", "-Werror"],
  ...["-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie"],
  ...["-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables"],
  ...["-Wl,--build-id=none", "-Wl,-z,noexecstack"],
];
/** What the sources include. */
const HEADERS = ["runtime.h", "processors.h"];
const FLAGS_OF: Readonly<Record<Word, readonly string[]>> = { 64: ["-m64"], 32: ["-m32", "-march=i686"] };

const sourceOf = ({ source }: Recipe): string =>
  source === BIG_CODE ? bigCodeSource() : readFileSync(join(SOURCES, source), "utf8");

const flagsFor = ({ flags = [], flagsOf }: Recipe, word: Word): readonly string[] => [
  ...FLAGS,
  ...FLAGS_OF[word],
  ...flags,
  ...(flagsOf?.[word] ?? []),
];

export function compile(folder: string, recipe: Recipe, word: Word): void {
  const out = join(folder, `${recipe.name}.${word}`);
  const flags = [...flagsFor(recipe, word), `-I${SOURCES}`, "-xc", "-", "-o", out];
  execFileSync("gcc", flags, { input: sourceOf(recipe), stdio: ["pipe", "inherit", "inherit"] });
}

/** Words of a small vocabulary, the first ones often: compresses like prose. */
export function sampleText(bytes: number): string {
  const random = new Random(0x7e47);
  const letters = "etaoinshrdlucmfwypvbgkjqxz";
  const letter = () => letters[Math.min(random.below(26), random.below(26))]!;
  const vocabulary = Array.from({ length: 2000 }, () => Array.from({ length: 1 + random.below(9) }, letter).join(""));
  const parts: string[] = [];
  for (let length = 0; length < bytes; length += parts.at(-1)!.length) {
    const place = Math.min(random.below(2000), random.below(2000), random.below(2000));
    parts.push(vocabulary[place]! + (random.once(11) ? ".\n" : " "));
  }
  return parts.join("").slice(0, bytes);
}

/** A shell's work without other programs. */
export const LOOP_SCRIPT = `i=0 sum=0 text=
mix() {
  case $(($1 % 5)) in
    0) sum=$((sum + $1 * 3)) ;;
    1 | 2) sum=$((sum ^ $1)) ;;
    *) sum=$(((sum >> 1) + $1)) ;;
  esac
}
while [ $i -lt "$1" ]; do
  mix $i
  text="\${text#????????}$sum,"
  [ \${#text} -lt 64 ] || text=\${text%%,*}
  i=$((i + 1))
done
echo "checksum $sum $text"
`;

/** Busyboxes are those of the guests, which this machine can run too. */
export type Busyboxes = Readonly<Partial<Record<Word, Uint8Array>>>;

/**
 * gcc's compiler proper as `cc1`, the libraries that it needs beside it, the loader that finds them there, and what it is
 * to compile.
 */
function copyCompiler(folder: string): void {
  const cc1 = execFileSync("gcc", ["-print-prog-name=cc1"], { encoding: "utf8" }).trim();
  const needs = execFileSync("ldd", [cc1], { encoding: "utf8" });
  const paths = [...needs.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
  for (const path of paths) {
    const name = basename(path);
    copyFileSync(path, join(folder, name.startsWith("ld-") ? "cc1.loader" : name));
  }
  copyFileSync(cc1, join(folder, "cc1"));
  const flags = [...FLAGS, `-I${SOURCES}`, "-E", "-P", "-xc", "-", "-o", join(folder, "cc1.i")];
  execFileSync("gcc", flags, { input: bigCodeSource(COMPILED_FUNCTIONS) });
}

const HELPERS: readonly Recipe[] = ["timed", "clock", "disk", "net"].map((name) => ({ name, source: `${name}.c` }));

/** Compiles and writes all of it. */
export function makePrograms(folder: string, busyboxes: Busyboxes): void {
  for (const recipe of RECIPES) for (const word of WORDS) compile(folder, recipe, word);
  for (const recipe of HELPERS) compile(folder, recipe, 64);
  copyCompiler(folder);
  for (const [word, bytes] of Object.entries(busyboxes)) {
    writeFileSync(join(folder, `busybox.${word}`), bytes, { mode: 0o755 });
  }
  writeFileSync(join(folder, "text"), sampleText(TEXT_BYTES));
  writeFileSync(join(folder, "loop.sh"), LOOP_SCRIPT);
}

/** Changes with whatever the programs are made of. */
function fingerprint(busyboxes: Busyboxes): string {
  const hash = createHash("sha256").update(execFileSync("gcc", ["--version"]));
  for (const header of HEADERS) hash.update(readFileSync(join(SOURCES, header)));
  hash.update(bigCodeSource(COMPILED_FUNCTIONS)).update(LOOP_SCRIPT).update(sampleText(TEXT_BYTES));
  for (const recipe of [...RECIPES, ...HELPERS]) {
    hash.update(sourceOf(recipe)).update(JSON.stringify([recipe.name, WORDS.map((word) => flagsFor(recipe, word))]));
  }
  for (const bytes of Object.values(busyboxes)) hash.update(bytes);
  return hash.digest("hex").slice(0, 12);
}

/** The folder of the programs: in the cache, made when it is not there. */
export function programsFolder(cacheDir: string, busyboxes: Busyboxes): string {
  const parent = join(cacheDir, "bench");
  const folder = join(parent, `programs-${fingerprint(busyboxes)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(parent, { recursive: true });
  const unfinished = mkdtempSync(`${folder}.`);
  try {
    makePrograms(unfinished, busyboxes);
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

/**
 * The word sizes that this machine has processes of, the programs being in `folder`: its kernel, or a hypervisor below that,
 * may have no 32-bit ones. What cannot be executed is taken for a script by the C library, and fails as one.
 */
export const nativeWords = (folder: string): readonly Word[] =>
  WORDS.filter((word) => {
    const { stdout, signal, error } = spawnSync(join(folder, `alu.${word}`), ["1"], { encoding: "utf8" });
    return signal !== null || (error === undefined && stdout.startsWith("checksum"));
  });

/**
 * Names of the files in the folder that these tasks need; a guest that unpacks less boots sooner. Libraries are those of the
 * one program that is not linked statically.
 */
export function filesFor(folder: string, tasks: readonly Task[]): { name: string; bytes: Uint8Array }[] {
  return readdirSync(folder)
    .filter((name) => {
      const wanted = LIBRARY.test(name) ? "--library-path $B" : `$B/${name}`;
      return tasks.some(({ command }) => command.includes(wanted));
    })
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
}
