/** From how guests ended to the exit status of a run. */
import { Exit } from "../../errors.js";
import type { Ending } from "./lineage.js";

/** The status of one guest. */
export function statusOf({ reason, exitStatus, restartFailed }: Ending): number {
  if (restartFailed) return Exit.HOST;
  switch (reason) {
    case "crash":
    case "watchdog":
      return Exit.CRASHED;
    case "exit":
      // A process has eight bits for it.
      return (exitStatus ?? 0) & 0xff;
    default:
      return Exit.OK;
  }
}

/** The status of a run: that of the first guest that did not end well. */
export function statusOfAll(endings: readonly Ending[]): number {
  return endings.map(statusOf).find((status) => status !== Exit.OK) ?? Exit.OK;
}
