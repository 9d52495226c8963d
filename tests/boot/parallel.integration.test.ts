/**
 * Many jobs at once in a guest with four processors on two pCPUs, as `make -j` would run them: compiled code of both
 * word sizes, fork and exec, memory that comes and goes, signals, futexes, pipes, code that is written while it runs.
 * Every job's output is compared with that of the same command on this machine. ROUNDS repeats it for as long as wanted.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { readCpio, S_IFDIR, S_IFREG, writeCpio } from "../../control-plane/formats/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { compile, sampleText } from "../bench/programs.js";
import { RECIPES, WORDS } from "../bench/workloads.js";
import { BOOT_MS, Debian, debianConfig } from "./debian.js";
import { unexpectedMessages } from "./kernel-messages.js";

const ROUNDS = Number(process.env.ROUNDS ?? 1);
/** The longest round on a busy machine. */
const ROUND_MS = 600_000;
const TEXT_BYTES = 1 << 17;
/** Jobs that run at the same time: more than there are processors. */
const AT_ONCE = 6;
const NAMES = ["alu", "integer", "sha256", "memory", "float-sse", "float-x87", "system", "smp"];
const CHURN = { name: "churn", source: "churn.c" };

/** Commands with $B for the folder. Results do not depend on the number of processors. */
const JOBS = WORDS.flatMap((word) => [
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

const folder = mkdtempSync(join(tmpdir(), "xenolith-parallel-"));
const output = (command: string): string =>
  execFileSync("sh", ["-c", command], { env: { ...process.env, B: folder, LC_ALL: "C" }, encoding: "utf8" });

/** Shell that runs every job, AT_ONCE at a time, and leaves output and status of job N in /tmp/N. */
function script(): string {
  const lines = JOBS.map((job, n) => `job${n}() { ${job}; }`);
  return `B=/jobs LC_ALL=C
export B LC_ALL
${lines.join("\n")}
lane() {
  n=$1
  while [ $n -lt ${JOBS.length} ]; do
    job$n >/tmp/$n 2>&1
    echo "status $?" >>/tmp/$n
    n=$((n + ${AT_ONCE}))
  done
}
i=0
while [ $i -lt ${AT_ONCE} ]; do lane $i & i=$((i + 1)); done
wait
`;
}

function initramfs(ramdisk: Uint8Array): Uint8Array {
  const names = [...[...NAMES, CHURN.name].flatMap((name) => WORDS.map((word) => `${name}.${word}`)), "text", "run"];
  return writeCpio([
    ...unwrap(readCpio(ramdisk)),
    { path: "jobs", mode: S_IFDIR | 0o755, data: new Uint8Array(0) },
    ...names.map((name) => ({
      path: `jobs/${name}`,
      mode: S_IFREG | 0o755,
      data: new Uint8Array(readFileSync(join(folder, name))),
    })),
  ]);
}

let host: HostApi;
let debian: Debian;

beforeAll(async () => {
  for (const recipe of [...RECIPES.filter(({ name }) => NAMES.includes(name)), CHURN])
    for (const word of WORDS) compile(folder, recipe, word);
  writeFileSync(join(folder, "text"), sampleText(TEXT_BYTES));
  writeFileSync(join(folder, "run"), script());
  const { ramdisk } = await debianConfig();
  host = await connectNode({ pcpus: 2 });
  debian = await Debian.boot(host, { ramdisk: initramfs(ramdisk!), memoryMiB: 1024, vcpus: 4 });
}, BOOT_MS);

afterAll(async () => {
  await host?.close();
  rmSync(folder, { recursive: true, force: true });
});

it("jobs that run side by side compute what they compute alone elsewhere", { timeout: ROUNDS * ROUND_MS }, async () => {
  const expected = JOBS.map((job) => `${output(job)}status 0`);
  for (let round = 0; round < ROUNDS; round++) {
    await debian.output("sh /jobs/run", ROUND_MS);
    for (const [n, job] of JOBS.entries()) expect(await debian.output(`cat /tmp/${n}`), job).toBe(expected[n]);
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
    if (ROUNDS > 1) process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`);
  }
  const { vcpus } = await host.domain(debian.domid);
  for (const vcpu of vcpus) expect(vcpu).toMatchObject({ online: true });
});
