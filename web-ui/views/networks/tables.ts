/** The conversations, the ports and the leases of a network as tables. */
import type { NatInfo, NetworkFlow, NetworkInfo, NetworkPort } from "../../../control-plane/api/index.js";
import {
  formatBytes,
  formatRate,
  formatService,
  formatUptime,
  orderFlows,
  type PortRates,
  portKey,
} from "../../state/index.js";
import { h } from "../common/index.js";

/** Conversations that are shown; more would not be read. */
const MOST_FLOWS = 40;

export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly (Node | string)[])[],
): HTMLElement {
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  const body = rows.map((cells) => h("tr", {}, ...cells.map((cell) => h("td", {}, cell))));
  return h(
    "div",
    { class: "table-scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, ...body)),
  );
}

function rate({ bytes, bytesPerSecond }: NetworkFlow["sent"]): string {
  return formatRate(bytesPerSecond) || formatBytes(bytes);
}

export function flowTable({ flows }: NetworkInfo): HTMLElement {
  if (flows.length === 0) return h("p", { class: "hint" }, "Nobody has talked yet.");
  const rows = orderFlows(flows)
    .slice(0, MOST_FLOWS)
    .map((flow) => [
      flow.client,
      flow.server,
      formatService(flow),
      rate(flow.sent),
      rate(flow.received),
      flow.idleSeconds < 2 ? "now" : `${formatUptime(flow.idleSeconds)} ago`,
    ]);
  return table("Who talks to whom", ["From", "To", "What", "Sent", "Received", "Last"], rows);
}

export interface PortDeeds {
  /** Pulls or plugs the cable of a guest's interface. */
  toggleLink(port: NetworkPort): void;
  record(port: NetworkPort): void;
  isRecorded(port: NetworkPort): boolean;
}

export function portTable(network: NetworkInfo, rates: PortRates, deeds: PortDeeds): HTMLElement {
  const rows = network.ports.map((port) => [
    port.name,
    port.mac ?? "",
    formatRate(rates.get(portKey(network.name, port.name)) ?? 0) || "idle",
    String(port.counters.drops ?? 0),
    portButtons(port, deeds),
  ]);
  return table("What is plugged in", ["Port", "MAC address", "Rate", "Dropped", "Actions"], rows);
}

function portButtons(port: NetworkPort, deeds: PortDeeds): HTMLElement {
  if (port.domid === undefined) return h("span", {});
  const button = (text: string, what: string, run: () => void) =>
    h("button", { type: "button", class: "button small quiet", "aria-label": `${text} ${what}`, onclick: run }, text);
  return h(
    "span",
    { class: "port-actions" },
    button(port.linkUp ? "Unplug" : "Plug in", port.name, () => deeds.toggleLink(port)),
    button(deeds.isRecorded(port) ? "Stop recording" : "Record", port.name, () => deeds.record(port)),
  );
}

export function natTable({ leases }: NatInfo): HTMLElement {
  if (leases.length === 0) return h("p", { class: "hint" }, "No guest has asked for an address yet.");
  const rows = leases.map(({ address, mac, hostname }) => [address, mac, hostname ?? ""]);
  return table("Addresses that were given", ["Address", "MAC address", "Name"], rows);
}
