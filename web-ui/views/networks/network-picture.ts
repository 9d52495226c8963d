/** A network as a picture: its switch, what is plugged in, and how much goes through each cable. */
import type { NetworkInfo, NetworkPort } from "../../../control-plane/api/index.js";
import {
  cableWidth,
  describeNetwork,
  formatRate,
  layOutPorts,
  PICTURE_WIDTH,
  type PortRates,
  portKey,
  type Spot,
} from "../../state/index.js";
import { setAttributes, svg } from "../common/index.js";

const SWITCH_Y = 32;
const NODE = { width: 104, height: 44 } as const;
const LONGEST_NAME = 15;

const short = (text: string): string => (text.length <= LONGEST_NAME ? text : `${text.slice(0, LONGEST_NAME - 1)}…`);

export class NetworkPicture {
  readonly element = svg("svg", { class: "network-picture", role: "img" });

  show(network: NetworkInfo, rates: PortRates): void {
    const { spots, height } = layOutPorts(network.ports);
    const text = describeNetwork(network);
    setAttributes(this.element, { viewBox: `0 0 ${PICTURE_WIDTH} ${height}`, "aria-label": text });
    this.element.replaceChildren(
      ...spots.map((spot) => this.cable(spot, rates.get(portKey(network.name, spot.port.name)) ?? 0)),
      svg("rect", { class: "network-switch", x: 8, y: SWITCH_Y - 18, width: PICTURE_WIDTH - 16, height: 28, rx: 6 }),
      label(PICTURE_WIDTH / 2, SWITCH_Y + 1, network.name, "network-name"),
      ...spots.map((spot) => this.node(spot, rates.get(portKey(network.name, spot.port.name)) ?? 0)),
    );
  }

  private cable({ port, x, y }: Spot, rate: number): SVGElement {
    const state = !port.linkUp ? "cut" : rate >= 1 ? "busy" : "idle";
    return svg("path", {
      class: `network-cable ${state}`,
      d: `M${x.toFixed(1)} ${SWITCH_Y}V${y - NODE.height / 2}`,
      "stroke-width": cableWidth(rate).toFixed(1),
    });
  }

  private node({ port, x, y }: Spot, rate: number): SVGElement {
    const box = svg("rect", {
      class: `network-node ${port.domid === undefined ? "outside" : "guest"}`,
      x: (x - NODE.width / 2).toFixed(1),
      y: y - NODE.height / 2,
      width: NODE.width,
      height: NODE.height,
      rx: 6,
    });
    return svg(
      "g",
      {},
      box,
      label(x, y - 3, short(port.name), "network-port"),
      label(x, y + 13, below(port, rate), "network-rate"),
    );
  }
}

function below(port: NetworkPort, rate: number): string {
  if (!port.linkUp) return "link down";
  return formatRate(rate) || (port.vlan === undefined ? "idle" : `VLAN ${port.vlan}`);
}

function label(x: number, y: number, text: string, className: string): SVGTextElement {
  const element = svg("text", { class: className, x: x.toFixed(1), y, "text-anchor": "middle" });
  element.textContent = text;
  return element;
}
