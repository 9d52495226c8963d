/** `xl network`: what is plugged into which switch, and who talks to whom. */
import type { DomainInfo, FlowDirection, NetworkFlow, NetworkInfo, NetworkPort } from "../../api/index.js";
import { CliError, Exit } from "../errors.js";
import { print } from "../output.js";
import { withHost } from "./with-host.js";

interface ShowOptions {
  readonly long?: boolean;
  readonly flows?: number;
}

const FLOWS_SHOWN = 20;

export function network(
  [name]: readonly string[],
  { long = false, flows = FLOWS_SHOWN }: ShowOptions,
): Promise<number> {
  return withHost(async (host) => {
    const all = await host.networks();
    const shown = name === undefined ? all : all.filter((one) => one.name === name);
    if (name !== undefined && shown.length === 0) {
      const known = all.length === 0 ? "there is none" : `there is ${all.map((one) => one.name).join(", ")}`;
      throw new CliError(Exit.USAGE, `no network is named "${name}": ${known}`);
    }
    if (long) print(`${JSON.stringify(shown, null, 2)}\n`);
    else {
      const domains = await host.list();
      print(shown.map((one) => formatNetwork(one, domains, flows)).join("\n"));
    }
    return 0;
  });
}

/** A network as text. */
export function formatNetwork(network: NetworkInfo, domains: readonly DomainInfo[], mostFlows: number): string {
  const names = new Map(domains.map(({ domid, name }) => [domid as number, name]));
  const guests = network.ports.filter(({ domid }) => domid !== undefined);
  const what = network.nat === undefined ? "" : ", the way out";
  const title = `${network.name}${what}: ${guests.length} ${guests.length === 1 ? "interface" : "interfaces"}\n`;
  return [title, limits(network), ports(guests, names), leases(network), flows(network, mostFlows)]
    .filter((part) => part !== "")
    .join("");
}

function limits({ nat }: NetworkInfo): string {
  return nat?.limits == null ? "" : `  ${nat.limits}\n`;
}

function ports(guests: readonly NetworkPort[], names: ReadonlyMap<number, string>): string {
  if (guests.length === 0) return "";
  const rows = guests.map((port) => [
    port.name,
    names.get(port.domid!) ?? String(port.domid),
    port.mac ?? "-",
    port.vlan === undefined ? "-" : String(port.vlan),
    port.linkUp ? "up" : "down",
    formatBytes(port.counters.txBytes ?? 0),
    formatBytes(port.counters.rxBytes ?? 0),
    String(port.counters.drops ?? 0),
  ]);
  return table(["Interface", "Domain", "MAC", "VLAN", "Link", "Sent", "Received", "Dropped"], rows);
}

function leases({ nat }: NetworkInfo): string {
  if (nat === undefined || nat.leases.length === 0) return "";
  const rows = nat.leases.map(({ address, mac, hostname = "" }) => [address, mac, hostname]);
  return table(["Address", "Given to", "Name"], rows);
}

function flows({ flows: all }: NetworkInfo, most: number): string {
  if (all.length === 0 || most === 0) return "";
  const rows = all
    .slice(0, most)
    .map((flow) => [
      flow.client,
      flow.server,
      service(flow),
      formatBytes(flow.sent.bytes),
      formatBytes(flow.received.bytes),
      rate(flow.sent, flow.received),
      `${Math.floor(flow.idleSeconds)} s ago`,
    ]);
  const rest = all.length > most ? `  and ${all.length - most} more\n` : "";
  return table(["Who asks", "Whom", "What", "Sent", "Received", "Rate", "Last"], rows) + rest;
}

function service({ protocol, service: number, vlan }: NetworkFlow): string {
  const what =
    number === null ? protocol : `${protocol}/${protocol === "ethernet" ? `0x${number.toString(16)}` : number}`;
  return vlan === 0 ? what : `${what} on VLAN ${vlan}`;
}

const rate = (sent: FlowDirection, received: FlowDirection): string =>
  `${formatBytes(sent.bytesPerSecond + received.bytesPerSecond)}/s`;

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Three digits. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Columns as wide as what is in them. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `  ${row
      .map((text, column) => text.padEnd(widths[column]!))
      .join("  ")
      .trimEnd()}\n`;
  return [header, ...rows].map(line).join("");
}
