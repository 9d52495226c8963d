/** `xl jit`: the regions of guest code that were compiled, what one of them consists of, and where they are left. */
import type { RegionExitInfo, RegionInfo } from "../../api/index.js";
import { usageError } from "../errors.js";
import { print } from "../output.js";
import { withHost } from "./with-host.js";

/** Of the ways out, as many as one looks at; with --long there are all. */
const MOST_EXITS = 40;

interface Options {
  readonly wasm?: boolean;
  readonly long?: boolean;
  readonly exits?: boolean;
  readonly clear?: boolean;
}

export async function jit(args: readonly string[], options: Options): Promise<number> {
  const [wanted, ...more] = args;
  if (more.length > 0) throw usageError("give one region at a time");
  if (wanted === undefined && options.wasm) throw usageError('--wasm wants a region\'s number; "xl jit" lists them');
  if (wanted !== undefined && !/^\d{1,15}$/.test(wanted))
    throw usageError(`"${wanted}" is no region's number; "xl jit" lists them`);
  if (wanted !== undefined && options.exits) throw usageError("--exits are those of all regions together");
  if (options.clear && !options.exits) throw usageError("--clear goes with --exits");
  return withHost(async (host) => {
    if (options.exits) {
      const exits = await host.regionExits(options.clear ?? false);
      print(options.long ? `${JSON.stringify(exits, null, 2)}\n` : formatExits(exits));
    } else if (wanted !== undefined) print(await host.regionText(Number(wanted), options.wasm ?? false));
    else {
      const regions = await host.regions();
      print(options.long ? `${JSON.stringify(regions, null, 2)}\n` : formatRegions(regions));
    }
    return 0;
  });
}

function formatRegions(regions: readonly RegionInfo[]): string {
  const row = (id: string, rip: string, ...numbers: string[]): string =>
    `${id.padStart(6)} ${rip.padEnd(16)} ${numbers.map((n) => n.padStart(7)).join(" ")}\n`;
  const lines = regions.map(({ id, rip, nodes, instructions, bytes, runs }) =>
    row(String(id), rip, ...[nodes, instructions, bytes, runs].map(String)),
  );
  return row("Region", "RIP", "Blocks", "x86", "Bytes", "Runs") + lines.join("");
}

function formatExits(exits: readonly RegionExitInfo[]): string {
  const row = (instructions: string, count: string, rip: string, why: string, text: string): string =>
    `${`${instructions.padStart(13)} ${count.padStart(10)} ${rip.padEnd(16)} ${why.padEnd(5)} ${text}`.trimEnd()}\n`;
  const lines = exits
    .slice(0, MOST_EXITS)
    .map(({ rip, why, exits, instructions, text }) => row(String(instructions), String(exits), rip, why, text ?? ""));
  return row("Interpreted", "Exits", "RIP", "Why", "x86") + lines.join("");
}
