/** Verbs that show domains: list, vcpu-list, uptime, domid, domname. The tables are Xen's. */
import type { DomainInfo, VcpuInfo } from "../../api/index.js";
import { formatCpus } from "../cpus.js";
import { print } from "../output.js";
import { infosOf, withDomain, withHost } from "./with-host.js";

const STATE_LETTERS = {
  running: "r-----",
  blocked: "-b----",
  paused: "--p---",
  shutdown: "---s--",
  crashed: "----c-",
  dying: "-----d",
} as const;

export function list(names: readonly string[], options: { long?: boolean }): Promise<number> {
  return withHost(async (host) => {
    const infos = await infosOf(host, names);
    print(options.long ? `${JSON.stringify(infos, null, 2)}\n` : formatList(infos));
    return 0;
  });
}

/** Xen's table, so that scripts that read it go on doing so. */
export function formatList(infos: readonly DomainInfo[]): string {
  const header = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n";
  const rows = infos.map(({ name, domid, memoryKiB, vcpus, state, cpuSeconds }) => {
    const online = vcpus.filter((vcpu) => vcpu.online).length;
    const memory = String(Math.ceil(memoryKiB / 1024)).padStart(5);
    const place = `${name.padEnd(40)} ${String(domid).padStart(5)} ${memory} ${String(online).padStart(5)}`;
    return `${place}     ${STATE_LETTERS[state]}  ${cpuSeconds.toFixed(1).padStart(8)}\n`;
  });
  return header + rows.join("");
}

export function vcpuList(names: readonly string[]): Promise<number> {
  return withHost(async (host) => {
    const infos = await infosOf(host, names);
    const { pcpus } = await host.info();
    print(vcpuRow("Name", "ID", "VCPU", "CPU", "State", "Time(s)", "Affinity (Hard / Soft)"));
    for (const info of infos) for (const vcpu of info.vcpus) print(formatVcpu(info, vcpu, pcpus));
    return 0;
  });
}

function formatVcpu(info: DomainInfo, vcpu: VcpuInfo, pcpus: number): string {
  const pcpu = vcpu.pcpu === null ? "-" : String(vcpu.pcpu);
  const time = vcpu.cpuSeconds.toFixed(1);
  const affinity = `${formatCpus(vcpu.hardAffinity, pcpus)} / ${formatCpus(vcpu.softAffinity, pcpus)}`;
  return vcpuRow(info.name, String(info.domid), String(vcpu.id), pcpu, vcpuState(info, vcpu), time, affinity);
}

function vcpuState(info: DomainInfo, vcpu: VcpuInfo): string {
  if (!vcpu.online) return "--p";
  if (info.state === "paused") return "--p";
  if (vcpu.state === "running") return "r--";
  return vcpu.state === "blocked" ? "-b-" : "---";
}

function vcpuRow(name: string, ...[id, vcpu, pcpu, state, time, affinity]: string[]): string {
  const numbers = [id, vcpu, pcpu, state].map((text) => (text ?? "").padStart(5)).join(" ");
  return `${name.padEnd(32)} ${numbers} ${(time ?? "").padStart(9)}  ${affinity}\n`;
}

export function uptime(names: readonly string[], options: { short?: boolean }): Promise<number> {
  return withHost(async (host) => {
    const infos = await infosOf(host, names);
    if (!options.short) print(`${"Name".padEnd(32)}   ID Uptime\n`);
    for (const { name, domid, uptimeSeconds } of infos) {
      print(`${name.padEnd(32)} ${String(domid).padStart(4)} ${formatUptime(uptimeSeconds, options.short === true)}\n`);
    }
    return 0;
  });
}

/** `2 days, 3:04:05`; short without the seconds. */
export function formatUptime(seconds: number, short: boolean): string {
  const whole = Math.floor(seconds);
  const days = Math.floor(whole / 86_400);
  const two = (value: number) => String(Math.floor(value) % 60).padStart(2, "0");
  const hours = Math.floor((whole % 86_400) / 3600);
  const day = days === 0 ? "" : `${days} ${days === 1 ? "day" : "days"}, `;
  return `${day}${hours}:${two(whole / 60)}${short ? "" : `:${two(whole)}`}`;
}

export function domid([name]: readonly string[]): Promise<number> {
  return withDomain(name!, async (_, id) => print(`${id}\n`));
}

export function domname([id]: readonly string[]): Promise<number> {
  return withDomain(id!, async (host, domid) => print(`${(await host.domain(domid)).name}\n`));
}
