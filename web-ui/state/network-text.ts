/** Networks in words, and where their parts stand in the picture. */
import type { NetworkFlow, NetworkInfo, NetworkPort } from "../../control-plane/api/index.js";
import { formatBytes } from "./format.js";

/** 1536 -> "1.5 KiB/s"; nothing for what rests. */
export const formatRate = (bytesPerSecond: number): string =>
  bytesPerSecond < 1 ? "" : `${formatBytes(bytesPerSecond)}/s`;

const SERVICES: Readonly<Record<string, string>> = {
  "tcp 22": "ssh",
  "tcp 53": "dns",
  "tcp 80": "http",
  "tcp 443": "https",
  "udp 53": "dns",
  "udp 67": "dhcp",
  "udp 123": "ntp",
  "udp 443": "quic",
  "udp 547": "dhcpv6",
};

/** "http (tcp 80)", "tcp 7001", "icmp". */
export function formatService({ protocol, service }: NetworkFlow): string {
  if (service === null) return protocol;
  const plain = `${protocol} ${service}`;
  const name = SERVICES[plain];
  return name === undefined ? plain : `${name} (${plain})`;
}

export const flowRate = ({ sent, received }: NetworkFlow): number => sent.bytesPerSecond + received.bytesPerSecond;

/** Those that move most come first, then the latest. */
export function orderFlows(flows: readonly NetworkFlow[]): NetworkFlow[] {
  return [...flows].sort((a, b) => flowRate(b) - flowRate(a) || a.idleSeconds - b.idleSeconds);
}

/** One sentence for who cannot see the picture. */
export function describeNetwork({ name, ports, flows }: NetworkInfo): string {
  const busy = flows.filter((flow) => flowRate(flow) >= 1);
  const moved = busy.reduce((sum, flow) => sum + flowRate(flow), 0);
  const active = busy.length === 0 ? "nobody talks" : `${busy.length} of them move ${formatRate(moved)}`;
  return `Network ${name}: ${ports.map((port) => port.name).join(", ") || "nobody is plugged in"}; ${flows.length} known conversations, ${active}.`;
}

export interface Spot {
  readonly port: NetworkPort;
  readonly x: number;
  readonly y: number;
}

export const PICTURE_WIDTH = 720;
const ROW_HEIGHT = 96;
const PER_ROW = 6;

/** Ports in rows under the switch, which is a bar across the top. */
export function layOutPorts(ports: readonly NetworkPort[]): {
  readonly spots: readonly Spot[];
  readonly height: number;
} {
  const rows = Math.max(1, Math.ceil(ports.length / PER_ROW));
  const spots = ports.map((port, n): Spot => {
    const row = Math.floor(n / PER_ROW);
    const inRow = Math.min(PER_ROW, ports.length - row * PER_ROW);
    const x = ((n % PER_ROW) + 0.5) * (PICTURE_WIDTH / inRow);
    return { port, x, y: 44 + (row + 1) * ROW_HEIGHT - 24 };
  });
  return { spots, height: 44 + rows * ROW_HEIGHT + 8 };
}

/** How thick a cable is drawn: a step for every ten times as much. */
export const cableWidth = (bytesPerSecond: number): number =>
  bytesPerSecond < 1 ? 1.5 : Math.min(9, 1.5 + Math.max(0, Math.log10(bytesPerSecond) - 1));
