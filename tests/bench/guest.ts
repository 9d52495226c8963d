/**
 * What a guest of the bench is given, and what it says. Its /bench holds the programs and a script that runs them one after
 * the other with marks on the console. It sleeps before and after a program, so that whoever reads the process's CPU time at
 * `begin` and at `end` is in time; `go` is where wall time begins.
 */
import { readCpio, S_IFDIR, S_IFREG, writeCpio } from "../../control-plane/formats/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { ADDRESS, NEIGHBOUR, type Pair, type Task } from "./workloads.js";

export const GUEST_FOLDER = "/bench";
/** The guest's command line runs this. */
export const GUEST_COMMAND = `. ${GUEST_FOLDER}/run`;
const MARK = "@@";
/** Longer than a mark takes to be read here, short against a program. */
const PAUSE_SECONDS = 0.15;

/** The script: silences the kernel, whose lines would split the marks. */
export function guestScript(tasks: readonly Task[]): string {
  const runs = tasks.map(({ key, command, workload: { pair } }) => {
    if (command.includes("'")) throw new Error(`${key}: no single quotes in a command`);
    return `run "${key}" '${command}${pair === undefined ? "" : ` && ${waysAsWanted(pair)}`}'`;
  });
  return `dmesg -n 1
B=${GUEST_FOLDER}
${tasks.some(({ server }) => server !== undefined) ? `${joinNetwork(ADDRESS)}${WAYS}` : ""}D=/dev/xvda
[ -b $D ] || D=/dev/vda
run() {
  echo "${MARK} begin $1"
  sleep ${PAUSE_SECONDS}
  echo "${MARK} go $1"
  eval "$2" >/tmp/out 2>&1
  status=$?
  echo "${MARK} end $1 $status"
  sleep ${PAUSE_SECONDS}
  while read -r line; do echo "${MARK} out $1 $line"; done </tmp/out
}
echo "${MARK} ready"
sleep ${PAUSE_SECONDS}
${runs.join("\n")}
echo "${MARK} done"
sleep 60
`;
}

/** Waits for the interface, whose driver may still be loading. */
const joinNetwork = (address: string): string => `until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done
ip address add ${address}/24 dev eth0
ip link set eth0 up
/etc/netqueues
`;

/** Fails with what is otherwise when there are not so many queues, or bypasses. Forks nothing: the clock still runs. */
const WAYS = `ways() {
  bypasses=0
  list=/sys/class/net/eth0/netchannel2/bypasses
  [ ! -e $list ] || while read -r line; do bypasses=$((bypasses + 1)); done <$list
  wanted="$1 queues, $2 bypasses"
  set -- /sys/class/net/eth0/queues/tx-*
  ways="$# queues, $bypasses bypasses"
  [ "$ways" = "$wanted" ] || { echo "$ways, not $wanted"; return 1; }
}
`;

/** What is measured is to be what was asked for. Each queue has a bypass of its own. */
const waysAsWanted = ({ queues, bypass }: Pair): string => `ways ${queues} ${bypass ? queues : 0}`;

/** The script of the guest beside: all servers at once. */
export function neighbourScript(tasks: readonly Task[]): string {
  const servers = tasks.flatMap(({ server }) => (server === undefined ? [] : [`${server} &`]));
  return `dmesg -n 1\nB=${GUEST_FOLDER}\n${joinNetwork(NEIGHBOUR)}${servers.join("\n")}\nsleep 3600\n`;
}

/** The initramfs with /bench in it. */
export function withBench(
  initramfs: Uint8Array,
  tasks: readonly Task[],
  files: readonly { name: string; bytes: Uint8Array }[],
  text = guestScript(tasks),
): Uint8Array {
  const folder = GUEST_FOLDER.slice(1);
  const script = new TextEncoder().encode(text);
  return writeCpio([
    ...unwrap(readCpio(initramfs)),
    { path: folder, mode: S_IFDIR | 0o755, data: new Uint8Array(0) },
    ...files.map(({ name, bytes }) => ({ path: `${folder}/${name}`, mode: S_IFREG | 0o755, data: bytes })),
    { path: `${folder}/run`, mode: S_IFREG | 0o644, data: script },
  ]);
}

export type Mark =
  | { readonly kind: "ready" | "done" }
  | { readonly kind: "begin" | "go"; readonly key: string }
  | { readonly kind: "end"; readonly key: string; readonly status: number }
  | { readonly kind: "out"; readonly key: string; readonly text: string };

const MARK_LINE = new RegExp(`^${MARK} (ready|done|begin|go|end|out)(?: ([\\w-]+ (?:64|32))(?: (.*))?)?$`);

/** A mark from a line of the console, or undefined. */
export function readMark(line: string): Mark | undefined {
  const [, kind, key, rest = ""] = MARK_LINE.exec(line.trim()) ?? [];
  if (kind === "ready" || kind === "done") return { kind };
  if (key === undefined) return undefined;
  if (kind === "begin" || kind === "go") return { kind, key };
  if (kind === "end") return { kind, key, status: Number(rest) };
  return kind === "out" ? { kind, key, text: rest } : undefined;
}

/** Cuts the console's output into whole lines and hands on the marks among them. */
export class MarkReader {
  #rest = "";
  constructor(private readonly onMark: (mark: Mark) => void) {}

  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const mark = readMark(line);
      if (mark) this.onMark(mark);
    }
  }
}
