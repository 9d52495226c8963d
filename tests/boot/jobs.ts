/** Jobs for guests and for this machine: programs of the bench in both word sizes, and a shell's. Their output is the same everywhere. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readCpio, S_IFDIR, S_IFREG, writeCpio } from "../../control-plane/formats/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { compile, nativeWords, sampleText } from "../bench/programs.js";
import { RECIPES, WORDS } from "../bench/workloads.js";

const TEXT_BYTES = 1 << 17;
const NAMES = ["alu", "integer", "sha256", "memory", "float-sse", "float-x87", "system", "smp"];
const CHURN = { name: "churn", source: "churn.c" };

/** Commands with $B for the folder. Results do not depend on the number of processors. */
export const JOBS = WORDS.flatMap((word) => [
  `$B/alu.${word} 3000000`,
  `$B/integer.${word} 20`,
  `$B/sha256.${word} 20`,
  `$B/memory.${word} copy 1`,
  `$B/memory.${word} movs 2`,
  `$B/memory.${word} chase-cache 5`,
  `$B/float-sse.${word} 10`,
  `$B/float-x87.${word} 10`,
  `$B/system.${word} syscall 5000`,
  `$B/system.${word} pipe 300`,
  `$B/system.${word} fork 40`,
  `$B/system.${word} exec 30`,
  `$B/smp.${word} busy 3 40`,
  `$B/smp.${word} atomic 200000`,
  `$B/smp.${word} lock 10000`,
  `$B/smp.${word} shootdown 40`,
  `$B/smp.${word} pipe 100`,
  `$B/churn.${word} map 120`,
  `$B/churn.${word} threads 40`,
  `$B/churn.${word} kill 300`,
  `$B/churn.${word} code 6000`,
  `$B/churn.${word} signal 1500`,
  `$B/churn.${word} copy 8`,
]).concat([
  "sha256sum <$B/text",
  "gzip -c <$B/text | gunzip | md5sum",
  "gzip -1 -c <$B/text | cat | gunzip | sha1sum",
  "tr a-m n-z <$B/text | sort | uniq -c | sort -n | tail -n 3 | md5sum",
  "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo $i",
  "sed -e s/the/THE/g <$B/text | grep -c .",
]);

/** Compiles the programs into `folder`. */
export function makeJobs(folder: string): void {
  for (const recipe of [...RECIPES.filter(({ name }) => NAMES.includes(name)), CHURN])
    for (const word of WORDS) compile(folder, recipe, word);
  writeFileSync(join(folder, "text"), sampleText(TEXT_BYTES));
}

/** What each job prints on this machine; one of a word size that it has no processes of prints what its fellow does. */
export function outputsHere(folder: string): string[] {
  const words = nativeWords(folder);
  const here = (job: string): string => (words.includes(32) ? job : job.replaceAll(".32", ".64"));
  const options = { env: { ...process.env, B: folder, LC_ALL: "C" }, encoding: "utf8" as const };
  return JOBS.map((job) => execFileSync("sh", ["-c", here(job)], options));
}

/** The guest's initramfs with the programs in /jobs, and files of the caller's. */
export function withJobs(ramdisk: Uint8Array, folder: string, files: Readonly<Record<string, string>>): Uint8Array {
  const names = [...[...NAMES, CHURN.name].flatMap((name) => WORDS.map((word) => `${name}.${word}`)), "text"];
  const entry = (name: string, data: Uint8Array) => ({ path: `jobs/${name}`, mode: S_IFREG | 0o755, data });
  return writeCpio([
    ...unwrap(readCpio(ramdisk)),
    { path: "jobs", mode: S_IFDIR | 0o755, data: new Uint8Array(0) },
    ...names.map((name) => entry(name, new Uint8Array(readFileSync(join(folder, name))))),
    ...Object.entries(files).map(([name, text]) => entry(name, new TextEncoder().encode(text))),
  ]);
}
