/** `xl jit`: the regions of guest code that were compiled, and what one of them consists of. */
import type { RegionInfo } from "../../api/index.js";
import { usageError } from "../errors.js";
import { print } from "../output.js";
import { withHost } from "./with-host.js";

interface Options {
  readonly wasm?: boolean;
  readonly long?: boolean;
}

export async function jit(args: readonly string[], options: Options): Promise<number> {
  const [wanted, ...more] = args;
  if (more.length > 0) throw usageError("give one region at a time");
  if (wanted === undefined && options.wasm) throw usageError('--wasm wants a region\'s number; "xl jit" lists them');
  if (wanted !== undefined && !/^\d{1,15}$/.test(wanted))
    throw usageError(`"${wanted}" is no region's number; "xl jit" lists them`);
  return withHost(async (host) => {
    if (wanted !== undefined) print(await host.regionText(Number(wanted), options.wasm ?? false));
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
  const lines = regions.map((r) => row(String(r.id), r.rip, ...[r.nodes, r.instructions, r.bytes].map(String)));
  return row("Region", "RIP", "Blocks", "x86", "Bytes") + lines.join("");
}
