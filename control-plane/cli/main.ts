#!/usr/bin/env node
/** `xl`, also installed as `xenolith`: the entry of the command line. docs/xl.md describes it. */
import { endQuietlyOnClosedPipe, flushed } from "./output.js";
import { runProgram } from "./program.js";

endQuietlyOnClosedPipe();
const status = await runProgram(process.argv.slice(2));
await flushed();
// Standard input may still be open, and a machine's threads may be ending.
process.exit(status);
