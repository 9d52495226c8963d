/**
 * Locks between processes, as files beside an image whose names say all: `.NAME.lock-MODE-PID-START-N`. A locker first
 * makes its own file and then looks at the others, so that of two that come at once at least one sees the other and gives
 * up. The process's start time tells a process from a later one with its number. Locks of dead processes are removed.
 */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { threadId } from "node:worker_threads";
import { StorageError } from "../errors.js";
import type { OpenMode } from "../image-file.js";

let lastLock = 0;

export class FileLock {
  #path: string | null = null;

  /** Takes the lock of the file at `target`; fails with `locked`. */
  constructor(
    private target: string,
    public mode: OpenMode,
  ) {
    this.#take();
  }

  /** Keeps everybody else out; fails with `locked`, and then all is as before. */
  upgrade(): void {
    if (this.mode === "write") return;
    const old = this.#path;
    this.mode = "write";
    try {
      this.#take(old);
    } catch (error) {
      this.mode = "read";
      this.#path = old;
      throw error;
    }
    if (old !== null) rmSync(old, { force: true });
  }

  #take(former: string | null = null): void {
    this.#path = this.#make();
    const other = conflicting(this.target, this.mode, [this.#path, former]);
    if (other === undefined) return;
    this.release();
    throw new StorageError("locked", `process ${other.pid} has the file open for ${MODE_WORDS[other.mode]}`, {
      file: basename(this.target),
      next: `close it there, or remove ${other.path} when no such process uses it`,
    });
  }

  /** Lets readers in. */
  downgrade(): void {
    if (this.mode === "read") return;
    const old = this.#path;
    this.mode = "read";
    this.#path = this.#make();
    if (old !== null) rmSync(old, { force: true });
  }

  /** The file has another name now. */
  moveTo(target: string): void {
    this.target = target;
    const old = this.#path;
    this.#path = this.#make();
    if (old !== null) rmSync(old, { force: true });
  }

  release(): void {
    if (this.#path !== null) rmSync(this.#path, { force: true });
    this.#path = null;
  }

  #make(): string | null {
    const path = `${prefixOf(this.target)}${this.mode}-${process.pid}-${startOf(process.pid)}-${threadId}.${lastLock++}`;
    const temporary = `${path}.new`;
    try {
      writeFileSync(temporary, "", { flag: "wx" });
      renameSync(temporary, path);
      return path;
    } catch (error) {
      // What cannot be written to needs no protection from writers of the same rights.
      const { code } = error as NodeJS.ErrnoException;
      if (this.mode === "read" && (code === "EROFS" || code === "EACCES" || code === "EPERM")) return null;
      throw error;
    }
  }
}

/** Fails with `locked` when anybody has the file at `target` open. */
export function refuseLocked(target: string): void {
  new FileLock(target, "write").release();
}

interface Holder {
  readonly path: string;
  readonly mode: OpenMode;
  readonly pid: number;
}

const MODE_WORDS: Readonly<Record<OpenMode, string>> = { read: "reading", write: "writing" };

const prefixOf = (target: string): string => join(dirname(target), `.${basename(target)}.lock-`);

function conflicting(target: string, mode: OpenMode, own: readonly (string | null)[]): Holder | undefined {
  const prefix = basename(prefixOf(target));
  for (const name of readdirSync(dirname(target))) {
    const path = join(dirname(target), name);
    const parts = name.startsWith(prefix) ? /^(read|write)-(\d+)-(\d+)-[\d.]+$/.exec(name.slice(prefix.length)) : null;
    if (parts === null || own.includes(path)) continue;
    const holder = { path, mode: parts[1] as OpenMode, pid: Number(parts[2]) };
    if (holder.mode === "read" && mode === "read") continue;
    if (isAlive(holder.pid, parts[3]!)) return holder;
    rmSync(path, { force: true });
  }
  return undefined;
}

function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = startOf(pid);
  return now === "0" || start === "0" || now === start;
}

/** When a process started, in ticks since boot; "0" where the system does not say (anything but Linux). */
function startOf(pid: number): string {
  try {
    // The command's name, in parentheses, may hold anything; field 22 is the 20th after it.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
  } catch {
    return "0";
  }
}
