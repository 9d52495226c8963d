/** `xl network`: what is plugged into which switch, and who talks to whom. */
import type {
  Counters,
  DomainInfo,
  FlowDirection,
  NetworkFlow,
  NetworkInfo,
  NetworkLink,
  NetworkPort,
} from "../../api/index.js";
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
  const linked = network.links.length === 0 ? "" : `, ${count(network.links.length, "link")}`;
  const title = `${network.name}${what}: ${count(guests.length, "interface")}${linked}\n`;
  return [title, limits(network), ports(guests, names), links(network), leases(network), flows(network, mostFlows)]
    .filter((part) => part !== "")
    .join("");
}

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? "" : "s"}`;

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

function links({ links: all }: NetworkInfo): string {
  if (all.length === 0) return "";
  return table(["Link", "With", "Received", "Sent", "Dropped", "State"], all.flatMap(linkRows));
}

function linkRows(link: NetworkLink): string[][] {
  const row = (id: string, who: string, counters: Counters, state: string): string[] => [
    id,
    who,
    formatBytes(counters.bytesIn ?? 0),
    formatBytes(counters.bytesOut ?? 0),
    String((counters.dropsIn ?? 0) + (counters.dropsOut ?? 0)),
    state,
  ];
  const onVlan = link.vlan === undefined ? "" : `, VLAN ${link.vlan}`;
  if (link.kind === "joined") {
    const { id, url, peer, counters, state, error } = link;
    const who = peer === null ? url : `${peer} at ${url}`;
    return [row(String(id), who, counters, `${state}${error === null ? "" : `: ${error}`}${onVlan}`)];
  }
  const { id, url, peers } = link;
  return [
    [String(id), "who joins", "-", "-", "-", `served at ${url}${onVlan}`],
    ...peers.map(({ name, address, counters }) => row("", `${name} from ${address}`, counters, "up")),
  ];
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
