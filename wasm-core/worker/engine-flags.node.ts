/** What V8 is told for the whole process, in the versions where it was measured to help. Others may not know the flags. */
import { setFlagsFromString } from "node:v8";

const version = Number.parseInt(process.versions.v8, 10);

/**
 * Regions say which of their branches are seldom taken. Engines that read these hints put the rare code out of the way;
 * V8 up to Node 24 does so only when it is told to. The section is one that others skip. Measured: a tenth of the time of
 * programs with much code. To be called before the first region is compiled.
 */
export function useBranchHints(): void {
  if (version >= 11 && version <= 13) setFlagsFromString("--experimental-wasm-branch-hinting");
}

/**
 * The V8 of Node 20 has nothing between baseline code and its best for JavaScript, and goes on to that soon: in the seconds
 * of a boot what it spends on our compiler never pays for itself. This asks for 15 times the work first. Measured: a tenth
 * of a boot's CPU time, 4 % of its wall time; nothing in Node 22 and 24.
 */
export function optimizeLate(): void {
  if (version === 11) setFlagsFromString("--interrupt-budget=1000000");
}

/**
 * Merging the moves between registers is a twelfth of what that V8's best compiler takes for a region, and gains nothing
 * that was to be seen in any program. Measured: 2 to 7 % of the CPU time of programs with much code, equal for those that
 * stay in loops; other versions were not.
 */
export function leaveMoves(): void {
  if (version === 11) setFlagsFromString("--no-turbo-move-optimization");
}
