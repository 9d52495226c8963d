/** The processor time of a thread in Node. */
import { openSync, readSync } from "node:fs";
import type { ThreadClock } from "./index.js";

/** Of Linux: ns on a processor, ns waiting for one, and how often. */
const SCHEDSTAT = "/proc/thread-self/schedstat";
const NS_PER_US = 1000;

interface ThreadUsage {
  /** Newer versions of Node have it. */
  readonly threadCpuUsage?: () => { readonly user: number; readonly system: number };
}

/** The clock of the calling thread; null where the host has none that is fine enough. */
export function threadClock(): ThreadClock | null {
  const { threadCpuUsage } = process as ThreadUsage;
  if (threadCpuUsage) {
    return () => {
      const { user, system } = threadCpuUsage.call(process);
      return (user + system) * NS_PER_US;
    };
  }
  try {
    return schedstatClock(SCHEDSTAT);
  } catch {
    return null;
  }
}

/** Null when the kernel keeps no such statistics: then the file is full of zeroes. */
export function schedstatClock(path: string): ThreadClock | null {
  // The path names the thread that opens it; the file stays that thread's.
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(64);
  const read = () => Number.parseInt(buffer.toString("latin1", 0, readSync(file, buffer, 0, buffer.length, 0)), 10);
  return read() > 0 ? read : null;
}
