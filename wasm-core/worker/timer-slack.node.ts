/** How late Linux may wake a thread in Node that sleeps until a time. */
import { readlinkSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

/** What a thread has of its own: a name of this process's and one of the thread's, as PROCESS/task/THREAD. */
const SELF = "/proc/thread-self";
/** It may be 50 us if nobody asks for less; a guest's timer would be that late each time. */
const SLACK_NS = 1000;

/** File with the slack of the calling thread, ns. */
export const slackFile = (): string => `/proc/${basename(readlinkSync(SELF))}/timerslack_ns`;

/** From now on the calling thread wakes in time, where the host is Linux and lets it ask for that. */
export function wakeInTime(): void {
  try {
    writeFileSync(slackFile(), String(SLACK_NS));
  } catch {
    // Elsewhere there is no such thing, or it may not be changed: timers come later.
  }
}
