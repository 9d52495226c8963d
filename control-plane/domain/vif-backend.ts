/** The back end of an interface, by the driver that its guest is to have. */
import type { Backend } from "../backends/backend.js";
import { VifBackend } from "../backends/vif/index.js";
import { type Bypasses, Vif2Backend } from "../backends/vif2/index.js";
import type { Station, Timer, Wire } from "../net/index.js";
import type { FullVif } from "./vif-checks.js";

export interface VifBackendParts {
  readonly name: string;
  readonly config: FullVif;
  /** Most queues, where the configuration does not say. */
  readonly vcpus: number;
  readonly timer: Timer;
  readonly plug: (driver: Station) => Wire;
  /** Who introduces guests that speak netchannel2 to each other. */
  readonly bypasses: () => Bypasses;
}

export interface MadeVifBackend {
  readonly backend: Backend;
  /** What both ends find before the handshake. */
  readonly keys: { readonly frontend: Record<string, string>; readonly backend: Record<string, string> };
  /** Holds the guest to so many bytes a second, counted over windows; null where the line has to do that, which needs none. */
  readonly limit: ((bytesPerSecond: number | null, windowUs?: number) => void) | null;
}

export function makeVifBackend(parts: VifBackendParts): MadeVifBackend {
  return parts.config.type === "vif2" ? netchannel2(parts) : netif(parts);
}

function netif({ name, config, vcpus, timer, plug }: VifBackendParts): MadeVifBackend {
  const { mac, mtu, devid, queues = vcpus } = config;
  const backend = new VifBackend({ name, mac, queues, timer, plug, ...(mtu === undefined ? {} : { mtu }) });
  return { backend, keys: backend.keys(devid), limit: (...rate) => backend.limit(...rate) };
}

function netchannel2({ name, config, vcpus, plug, bypasses }: VifBackendParts): MadeVifBackend {
  const { mac, mtu, devid, ip, queues = vcpus } = config;
  const options = { name, mac, queues, plug, bypasses: bypasses(), filterMac: ip !== undefined };
  const backend = new Vif2Backend(mtu === undefined ? options : { ...options, mtu });
  const keys = { mac, handle: String(devid) };
  return { backend, keys: { frontend: keys, backend: keys }, limit: null };
}
