/**
 * The programs of the bench: where each comes from, how it is called, and how much it does. A count makes a program take
 * about two seconds on QEMU, where starting it is a small part; docs/performance.md says how to add one.
 */

/** Width of a program's registers: x86-64, or i686 under the same kernel. */
export type Word = 64 | 32;
export const WORDS: readonly Word[] = [64, 32];

export type Group = "compute" | "memory" | "float" | "code" | "system" | "tools" | "large" | "smp" | "disk" | "net";

export interface Workload {
  readonly name: string;
  readonly group: Group;
  readonly words: readonly Word[];
  /** What it does, for the list. */
  readonly does: string;
  readonly count: number;
  /** The shell command; $B is the folder of the programs, $D the disk, $W the word, COUNT the count. Prints what all machines must agree on. */
  readonly command: string;
  /** What a second guest runs meanwhile, at NEIGHBOUR of the same network. */
  readonly server?: string;
  /** What these two guests are, where there is one. */
  readonly pair?: Pair;
}

/** Two guests on a network. */
export interface Pair {
  /** Of each. */
  readonly vcpus: number;
  readonly queues: number;
  readonly type: "vif" | "vif2";
  /** Whether their packets go past Domain0. */
  readonly bypass: boolean;
}

/** What any machine can be: one vCPU each, one queue, the driver that Linux has for it. */
export const PLAIN: Pair = { vcpus: 1, queues: 1, type: "vif", bypass: false };

/** Addresses of the guest that runs the programs and of the one beside it. */
export const ADDRESS = "10.9.0.1";
export const NEIGHBOUR = "10.9.0.2";

/** A binary: `name.64` and `name.32`, each of one source. */
export interface Recipe {
  readonly name: string;
  /** A file of programs/, or BIG_CODE. */
  readonly source: string;
  readonly flags?: readonly string[];
  /** Besides those, for one word only. */
  readonly flagsOf?: Readonly<Record<Word, readonly string[]>>;
}

/** The source that is generated. */
export const BIG_CODE = "big-code";

export const RECIPES: readonly Recipe[] = [
  { name: "alu", source: "alu.c" },
  { name: "integer", source: "integer.c" },
  { name: "sha256", source: "sha256.c" },
  { name: "sort", source: "sort.c" },
  { name: "bytecode", source: "bytecode.c" },
  { name: "vector", source: "vector.c", flagsOf: { 64: [], 32: ["-msse2"] } },
  { name: "rewrite", source: "rewrite.c" },
  { name: "memory", source: "memory.c", flags: ["-fno-tree-vectorize", "-fno-tree-loop-distribute-patterns"] },
  { name: "float-sse", source: "float.c", flagsOf: { 64: [], 32: ["-msse2", "-mfpmath=sse"] } },
  { name: "float-x87", source: "float.c", flags: ["-mfpmath=387"] },
  { name: "big-code", source: BIG_CODE },
  { name: "system", source: "system.c" },
  { name: "smp", source: "smp.c" },
  { name: "latency", source: "latency.c" },
];

/** Runs a busybox tool over the text COUNT times. */
const tool = (name: string): string =>
  `i=0; while [ $i -lt COUNT ]; do $B/busybox.$W ${name} -c $B/text; i=$((i+1)); done | $B/busybox.$W md5sum`;

/** Moves COUNT MiB by dd, in passes of 256 MiB at most. */
const passes = (dd: string): string =>
  `n=COUNT; while [ $n -gt 0 ]; do c=$n; [ $c -lt 256 ] || c=256; ${dd} bs=1M count=$c 2>/dev/null || break; n=$((n-c)); done; [ $n = 0 ] && echo COUNT`;

const WRITES = passes("dd if=/dev/zero of=$D conv=fsync");
const READS = passes("echo 3 >/proc/sys/vm/drop_caches; dd if=$D of=/dev/null");

// biome-ignore format: a row a line reads as the table that it is
const ROWS: readonly (readonly [name: string, group: Group, count: number, command: string, does: string])[] = [
  ["alu", "compute", 800_000_000, "$B/alu.$W COUNT", "arithmetic in registers, one loop"],
  ["integer", "compute", 8_000, "$B/integer.$W COUNT", "lists, a matrix, a state machine, a CRC"],
  ["sha256", "compute", 5_000, "$B/sha256.$W COUNT", "SHA-256 of 16 KiB"],
  ["sort", "compute", 500, "$B/sort.$W COUNT", "records, by functions that compare two"],
  ["bytecode", "compute", 5_000, "$B/bytecode.$W COUNT", "a small stack machine's interpreter"],
  ["vector", "compute", 20_000, "$B/vector.$W COUNT", "strings, pictures and a filter in integer SSE2"],
  ["copy", "memory", 80, "$B/memory.$W copy COUNT", "32 MiB by a loop of words"],
  ["movs", "memory", 40, "$B/memory.$W movs COUNT", "32 MiB by rep movsb"],
  ["bulk", "memory", 200, "$B/memory.$W movs COUNT", "the same for longer: the first touch of its memory is little of it"],
  ["chase-cache", "memory", 500, "$B/memory.$W chase-cache COUNT", "a ring of pointers in 16 KiB"],
  ["chase-memory", "memory", 10, "$B/memory.$W chase-memory COUNT", "a ring of pointers in 64 MiB"],
  ["float-sse", "float", 3_000, "$B/float-sse.$W COUNT", "double precision in SSE2"],
  ["float-x87", "float", 500, "$B/float-x87.$W COUNT", "double precision in the x87"],
  ["big-code", "code", 15_000, "$B/big-code.$W COUNT", "a byte-code interpreter that calls 1500 functions"],
  ["rewrite", "code", 100_000, "$B/rewrite.$W COUNT", "functions that the program writes, calls and writes anew"],
  ["syscall", "system", 4_000_000, "$B/system.$W syscall COUNT", "getppid"],
  ["pipe", "system", 30_000, "$B/system.$W pipe COUNT", "ping-pong between two processes"],
  ["fork", "system", 4_000, "$B/system.$W fork COUNT", "children that end at once"],
  ["exec", "system", 800, "$B/system.$W exec COUNT", "children that run a program"],
  ["gzip", "tools", 15, tool("gzip"), "busybox gzip of 1 MiB of text"],
  ["bzip2", "tools", 6, tool("bzip2"), "busybox bzip2 of 1 MiB of text"],
  ["shell", "tools", 40_000, "$B/busybox.$W sh $B/loop.sh COUNT", "a shell's loop: arithmetic, strings, functions"],
];

/** Of a group that has no 32-bit programs. */
type WideRow = readonly [name: string, count: number, command: string, does: string];

/** The computer's compiler proper, as gcc calls it, with its libraries: all of it in the folder of the programs. */
const CC1 = "$B/cc1.loader --library-path $B $B/cc1 -quiet -O2 -w -fpreprocessed -o - <$B/cc1.i";

// biome-ignore format: as above
const LARGE_ROWS: readonly WideRow[] = [
  ["cc1", 1, `i=0; while [ $i -lt COUNT ]; do ${CC1}; i=$((i+1)); done | $B/busybox.$W md5sum`, "gcc's compiler, of 50 functions"],
];

// biome-ignore format: as above
const SMP_ROWS: readonly WideRow[] = [
  ["busy-1", 3_000, "$B/smp.$W busy 1 COUNT", "work for one process"],
  ["busy-2", 3_000, "$B/smp.$W busy 2 COUNT", "the same work for two processes"],
  ["locked-1", 40_000, "$B/smp.$W locked 1 COUNT", "work for one process, a quarter of it under a futex"],
  ["locked-2", 40_000, "$B/smp.$W locked 2 COUNT", "the same work for two processes, which want the same futex"],
  ["protected-1", 16_000, "$B/smp.$W protected 1 COUNT", "work for one thread, with mprotect between its pieces"],
  ["protected-2", 16_000, "$B/smp.$W protected 2 COUNT", "the same work for two threads, of which each interrupts the other"],
  ["atomic", 20_000_000, "$B/smp.$W atomic COUNT", "locked additions from two processes"],
  ["lock", 1_000_000, "$B/smp.$W lock COUNT", "a futex that two processes take in turn"],
  ["shootdown", 500, "$B/smp.$W shootdown COUNT", "mprotect and membarrier against a thread that reads"],
  ["pinned-pipe", 2_000, "$B/smp.$W pipe COUNT", "ping-pong between two processors"],
  ["wake", 1_000, "$B/latency.$W wake COUNT", "how soon a process on the other processor, which idles, wakes"],
  ["ipi", 1_000, "$B/latency.$W ipi COUNT", "how soon a processor that runs answers the other"],
  ["timer", 1_000, "$B/latency.$W timer COUNT", "how late a sleep of 100 us ends"],
];

// biome-ignore format: as above
const DISK_ROWS: readonly WideRow[] = [
  ["disk-write", 768, WRITES, "dd of so many MiB, flushed, by 256"],
  ["disk-read", 2048, READS, "dd of so many MiB, by 256"],
  ["disk-rewrite", 768, WRITES, "disk-write again"],
  ["disk-reread", 2048, READS, "disk-read again"],
  ["direct-write", 4096, "$B/disk.64 direct-write $D COUNT", "MiB past the page cache, 8 blocks of 256 KiB at once"],
  ["direct-read", 4096, "$B/disk.64 direct-read $D COUNT", "the same, read"],
  ["random-read", 200_000, "$B/disk.64 read $D COUNT", "blocks of 4 KiB, 32 at once"],
  ["random-write", 200_000, "$B/disk.64 write $D COUNT", "blocks of 4 KiB, 32 at once"],
];

const ASK: readonly [command: string, server: string] = [
  `$B/net.64 ask ${NEIGHBOUR} 7002 COUNT`,
  "$B/net.64 echo 7002 COUNT",
];
const streams = (n: number): typeof ASK => [`$B/net.64 send ${NEIGHBOUR} 7001 COUNT ${n}`, `$B/net.64 serve 7001 ${n}`];
const queues = (vcpus: number, queues: number): Pair => ({ ...PLAIN, vcpus, queues });
const netchannel2 = (bypass: boolean): Pair => ({ ...PLAIN, type: "vif2", bypass });

// biome-ignore format: as above
const NET_ROWS: readonly (readonly [name: string, count: number, commands: typeof ASK, pair: Pair, does: string])[] = [
  ["stream", 1024, streams(1), PLAIN, "MiB by TCP to the guest beside it"],
  ["ask", 5_000, ASK, PLAIN, "a byte there and one back by TCP"],
  ["streams-2x1", 1024, streams(8), queues(2, 1), "eight streams between guests of two vCPUs, by one queue"],
  ["streams-2x2", 1024, streams(8), queues(2, 2), "the same by two queues"],
  ["streams-4x1", 1024, streams(4), queues(4, 1), "four streams between guests of four vCPUs, by one queue"],
  ["streams-4x4", 1024, streams(4), queues(4, 4), "the same by four queues"],
  ["netchannel2-switch", 1024, streams(1), netchannel2(false), "stream by netchannel2, through Domain0"],
  ["netchannel2", 1024, streams(1), netchannel2(true), "the same past Domain0"],
];

const wide = (group: Group, rows: readonly WideRow[]): Workload[] =>
  rows.map(([name, count, command, does]) => ({ name, group, count, command, does, words: [64] }));

export const WORKLOADS: readonly Workload[] = [
  ...ROWS.map(([name, group, count, command, does]) => ({ name, group, count, command, does, words: WORDS })),
  ...wide("large", LARGE_ROWS),
  ...wide("smp", SMP_ROWS),
  ...wide("disk", DISK_ROWS),
  ...NET_ROWS.map(([name, count, [command, server], pair, does]) => ({
    name,
    group: "net" as const,
    count,
    command,
    server,
    pair,
    does,
    words: [64 as const],
  })),
];

/** A workload in one word: what a guest is told to run. */
export interface Task {
  /** "alu 64": how tables, the baseline and the guest's marks name it. */
  readonly key: string;
  readonly workload: Workload;
  readonly word: Word;
  readonly command: string;
  readonly count: number;
  readonly server?: string;
}

export function tasksOf(workloads: readonly Workload[], words: readonly Word[], scale: number): Task[] {
  return words.flatMap((word) =>
    workloads
      .filter((workload) => workload.words.includes(word))
      .map((workload) => {
        const count = Math.max(1, Math.round(workload.count * scale));
        const filled = (text: string) => text.replaceAll("$W", String(word)).replaceAll("COUNT", String(count));
        const command = filled(workload.command);
        const server = workload.server === undefined ? {} : { server: filled(workload.server) };
        return { key: `${workload.name} ${word}`, workload, word, command, count, ...server };
      }),
  );
}

/** The workloads that a list of names and groups picks; throws with what there is for a name that is neither. */
export function pick(names: readonly string[]): Workload[] {
  const groups = [...new Set(WORKLOADS.map(({ group }) => group))];
  for (const name of names) {
    if (!WORKLOADS.some((w) => w.name === name || w.group === name)) {
      const known = WORKLOADS.map((w) => w.name).join(", ");
      throw new Error(`there is no program or group "${name}". Programs: ${known}. Groups: ${groups.join(", ")}`);
    }
  }
  return WORKLOADS.filter((w) => names.length === 0 || names.includes(w.name) || names.includes(w.group));
}
