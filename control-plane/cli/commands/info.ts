/** Verbs about the host itself: info and dmesg. */
import { hostname } from "node:os";
import type { HostInfo } from "../../api/index.js";
import { print } from "../output.js";
import { withHost } from "./with-host.js";

export function info(_: readonly string[], options: { long?: boolean }): Promise<number> {
  return withHost(async (host) => {
    const described = await host.info();
    print(
      options.long ? `${JSON.stringify({ ...described, pid: host.pid }, null, 2)}\n` : formatInfo(described, host.pid),
    );
    return 0;
  });
}

/** As `xl info` of Xen lists it: memory in MiB. */
function formatInfo(described: HostInfo, pid: number): string {
  const mebibytes = (kib: number) => String(Math.floor(kib / 1024));
  const [major = "", minor = ""] = described.xenVersion.split(".");
  const lines: [string, string][] = [
    ["host", hostname()],
    ["pid", String(pid)],
    ["xenolith_version", described.version],
    ["xen_major", major],
    ["xen_minor", minor],
    ["xen_version", described.xenVersion],
    ["xen_caps", described.capabilities.join(" ")],
    ["nr_cpus", String(described.pcpus)],
    ["nr_domains", String(described.domains)],
    ["total_memory", mebibytes(described.totalKiB)],
    ["free_memory", mebibytes(described.freeKiB)],
    ["used_memory", mebibytes(described.usedKiB)],
    ["wasm_memory", mebibytes(described.wasmMemoryBytes / 1024)],
    ["single_thread", described.singleThread ? "yes" : "no"],
    ["deterministic", described.deterministic ? "yes" : "no"],
  ];
  return lines.map(([key, value]) => `${key.padEnd(23)}: ${value}\n`).join("");
}

export function dmesg(_: readonly string[], options: { clear?: boolean }): Promise<number> {
  return withHost(async (host) => {
    print(await host.dmesg(options.clear ?? false));
    return 0;
  });
}
