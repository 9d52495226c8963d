/** What runs the programs: this project, QEMU, v86, or the processor itself. All give the same record of a run. */
import type { RegionExitInfo } from "../../../control-plane/api/index.js";
import type { Task, Word } from "../workloads.js";

export type PeerName = "xenolith" | "qemu" | "v86" | "native";

/** Where the instructions of a guest were executed, in counts; absent while the core does not tell. */
export interface Shares {
  readonly region: number;
  readonly handler: number;
  readonly interpreter: number;
}

export interface Counters {
  readonly instructions: number;
  readonly jit?: Shares;
}

export interface TaskRun {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly status: number;
  /** What the program printed: the same on every machine. */
  readonly output: string;
  readonly counters: Counters | null;
  /** Where compiled code was left for the interpreter, the dearest first; absent where nobody tells. */
  readonly exits?: readonly RegionExitInfo[];
}

export interface SuiteRun {
  /** From the start of the process to the guest's script; null natively. */
  readonly boot: { readonly cpuMs: number; readonly wallMs: number; readonly counters: Counters | null } | null;
  /** Resident memory of the process after the last program, MiB. */
  readonly residentMiB: number | null;
  /** Of the whole run. */
  readonly counters: Counters | null;
  readonly tasks: ReadonlyMap<string, TaskRun>;
}

export interface Peer {
  readonly name: PeerName;
  readonly title: string;
  readonly words: readonly Word[];
  /** Whether it can have more than one processor. */
  readonly smp: boolean;
  /** Whether its guest can have a disk. */
  readonly disk: boolean;
  /** Whether two of its guests can be on one network. */
  readonly net: boolean;
  /** Boots once on so many processors and runs the tasks one after the other. */
  run(tasks: readonly Task[], processors: number): Promise<SuiteRun>;
}

export const MEMORY_MIB = 256;

/** Of the disk that a guest has when its tasks want one. */
export const DISK_BYTES = 512 << 20;

export const wantNeighbour = (tasks: readonly Task[]): boolean => tasks.some(({ server }) => server !== undefined);

export const wantDisk = (tasks: readonly Task[]): boolean => tasks.some(({ workload }) => workload.group === "disk");
