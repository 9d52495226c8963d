/** The playground's own program, as `npm start` runs it, for the tests that boot real guests in a browser. */
import { type Program, startProgram } from "./program.js";

/** Fetching and unpacking Debian's packages the first time, ms. */
export const PREPARE_MS = 300_000;

/** Starts it on a free port. */
export function startPlayground(): Promise<Program> {
  return startProgram("playground.js", ["--port", "0", "--no-open"], /http:\/\/\S+/);
}
