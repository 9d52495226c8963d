/**
 * Many jobs at once in a guest with four processors, on two pCPUs and on the one of a single thread, as `make -j` would
 * run them: compiled code of both word sizes, fork and exec, memory that comes and goes in processes and under threads,
 * signals, from other processors too, futexes, pipes, code that is written while it runs. Every job's output is compared
 * with that of the same command on this machine (`outputsHere`). ROUNDS repeats it for as long as wanted.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian, debianConfig } from "./debian.js";
import { JOBS, makeJobs, outputsHere, withJobs } from "./jobs.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { machinesOf } from "./machines.js";

const ROUNDS = Number(process.env.ROUNDS ?? 1);
/** The longest round on a busy machine. */
const ROUND_MS = 600_000;
/** Jobs that run at the same time: more than there are processors. */
const AT_ONCE = 6;
const folder = mkdtempSync(join(tmpdir(), "xenolith-parallel-"));

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

beforeAll(() => makeJobs(folder));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(machinesOf(2))("on a machine of $name", ({ machine }) => {
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    const { ramdisk } = await debianConfig();
    host = await connectNode(machine);
    debian = await Debian.boot(host, {
      ramdisk: withJobs(ramdisk!, folder, { run: script() }),
      memoryMiB: 1024,
      vcpus: 4,
    });
  }, BOOT_MS);

  afterAll(() => host?.close());

  it("jobs that run side by side compute what they compute alone elsewhere", {
    timeout: ROUNDS * ROUND_MS,
  }, async () => {
    const expected = outputsHere(folder).map((output) => `${output}status 0`);
    for (let round = 0; round < ROUNDS; round++) {
      await debian.output("sh /jobs/run", ROUND_MS);
      for (const [n, job] of JOBS.entries()) expect(await debian.output(`cat /tmp/${n}`), job).toBe(expected[n]);
      expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
      if (ROUNDS > 1) process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`);
    }
    const { vcpus, jit } = await host.domain(debian.domid);
    for (const vcpu of vcpus) expect(vcpu).toMatchObject({ online: true });
    expect(jit?.region).toBeGreaterThan(0);
  });
});
