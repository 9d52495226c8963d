/**
 * Network interfaces as xl writes them: `mac=...,bridge=...` in `vif = [ ... ]` and on the command line of
 * `xl network-attach`. Ours are queues, vlan, hostfwd and the type vif2. [XEN] docs/man/xl-network-configuration.5
 */
import {
  isAddress,
  isStationMac,
  MAC_ADDRESS,
  MTU_MAX,
  MTU_MIN,
  NETWORK_NAME,
  PORT_MAX,
  VIF_DEVID_MAX,
  VIF_QUEUES_MAX,
  VLAN_MAX,
} from "./limits.js";
import type { PortForward, VifConfig } from "./types.js";

/** What is wrong, and where in the text. */
export interface VifSpecFault {
  readonly offset: number;
  readonly message: string;
}

export type VifSpecResult =
  | { readonly ok: true; readonly vif: VifConfig }
  | { readonly ok: false; readonly fault: VifSpecFault };

/** Keywords of Xen's for what this host has not, with what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  script: "there are no network scripts here: bridge= names a switch, and without it the way leads out",
  backend: "interfaces are served by Domain0 alone",
  gatewaydev: "there are no routed interfaces here: leave it out, and the user-mode network routes",
  netdev: "there are no routed interfaces here: leave it out, and the user-mode network routes",
  model: "there are no emulated network cards: leave it out, guests use Xen's own (Linux: xen-netfront)",
  forwarddev: "COLO is not supported",
};

class Fault extends Error {
  constructor(
    readonly offset: number,
    message: string,
  ) {
    super(message);
  }
}

interface Value {
  readonly key: string;
  readonly text: string;
  readonly offset: number;
}

type Read = (value: Value) => VifConfig;

/** What each keyword gives. */
const KEYWORDS: Readonly<Record<string, Read>> = {
  mac: (value) => ({ mac: readMac(value) }),
  bridge: (value) => ({ bridge: readName(value) }),
  type: (value) => ({ type: readType(value) }),
  vifname: (value) => ({ vifname: readName(value) }),
  rate: readRate,
  devid: (value) => ({ devid: readNumber(value, 0, VIF_DEVID_MAX) }),
  mtu: (value) => ({ mtu: readNumber(value, MTU_MIN, MTU_MAX) }),
  ip: (value) => ({ ip: readIp(value) }),
  trusted: (value) => ({ trusted: readNumber(value, 0, 1) === 1 }),
  queues: (value) => ({ queues: readNumber(value, 1, VIF_QUEUES_MAX) }),
  vlan: (value) => ({ vlan: readNumber(value, 1, VLAN_MAX) }),
  hostfwd: (value) => ({ forwards: [readForward(value)] }),
};

/** Reads one interface. The empty text is one of which nothing is said. */
export function parseVifSpec(text: string): VifSpecResult {
  try {
    return { ok: true, vif: readVif(text) };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, fault: { offset: error.offset, message: error.message } };
    throw error;
  }
}

function readVif(text: string): VifConfig {
  const seen = new Set<string>();
  let vif: VifConfig = {};
  for (const value of words(text)) {
    const { key, offset } = value;
    if (seen.has(key) && key !== "hostfwd") throw new Fault(offset - key.length - 1, `${key} is given twice`);
    seen.add(key);
    const found = KEYWORDS[key]!(value);
    vif = { ...vif, ...found, ...(found.forwards && { forwards: [...(vif.forwards ?? []), ...found.forwards] }) };
  }
  return vif;
}

function* words(text: string): Generator<Value> {
  let at = 0;
  for (const word of text.split(",")) {
    const start = at + /^\s*/.exec(word)![0].length;
    at += word.length + 1;
    const trimmed = word.trim();
    if (trimmed === "") continue;
    const equals = trimmed.indexOf("=");
    const key = (equals < 0 ? trimmed : trimmed.slice(0, equals)).trim();
    const reason = Object.hasOwn(REFUSED, key) ? REFUSED[key] : undefined;
    if (reason !== undefined) throw new Fault(start, `${key}: ${reason}`);
    if (!Object.hasOwn(KEYWORDS, key)) {
      throw new Fault(start, `there is no keyword "${key}": expected ${Object.keys(KEYWORDS).join(", ")}`);
    }
    if (equals < 0) throw new Fault(start, `${key} needs a value: ${key}=...`);
    yield { key, text: trimmed.slice(equals + 1).trim(), offset: start + equals + 1 };
  }
}

function readMac({ text, offset }: Value): string {
  const mac = text.toLowerCase();
  if (!MAC_ADDRESS.test(mac)) throw new Fault(offset, `mac: expected as in 00:16:3e:01:02:03, found "${text}"`);
  if (!isStationMac(mac)) throw new Fault(offset, `mac: ${text} is no address of a single station`);
  return mac;
}

function readName({ key, text, offset }: Value): string {
  if (NETWORK_NAME.test(text)) return text;
  throw new Fault(offset, `${key}: expected 1 to 64 letters, digits and _ . : -, found "${text}"`);
}

function readType({ text, offset }: Value): "vif" | "vif2" {
  if (text === "vif" || text === "vif2") return text;
  const next = text === "ioemu" ? `: ${REFUSED.model}` : ': expected "vif" or "vif2"';
  throw new Fault(offset, `type: "${text}" is not supported${next}`);
}

function readNumber({ key, text, offset }: Value, min: number, max: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Fault(offset, `${key}: expected a whole number from ${min} to ${max}, found "${text}"`);
}

function readIp({ text, offset }: Value): string {
  if (isAddress(text)) return text;
  throw new Fault(offset, `ip: expected one address, as in 10.0.2.20, found "${text}"`);
}

const MULTIPLES: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, G: 1e9 };
const WINDOW_US: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6 };
/** [XEN] libxlu_vif.c: the same default. */
const DEFAULT_WINDOW_US = 50_000;
const MOST = 2 ** 32 - 1;

/** `10Mb/s`, `250KB/s`, `1MB/s@20ms`: B is bytes, b bits, both in thousands. */
function readRate({ text, offset }: Value): VifConfig {
  const match = /^(\d{1,9})([GMK]?)([Bb])\/s(?:@(\d{1,9})(us|ms|s))?$/.exec(text);
  if (match === null) throw new Fault(offset, `rate: expected as in 10Mb/s, 250KB/s or 1MB/s@20ms, found "${text}"`);
  const [, count, multiple, unit, time, timeUnit] = match;
  const rateBytesPerSecond = (Number(count) * MULTIPLES[multiple!]!) / (unit === "b" ? 8 : 1);
  const rateWindowUs = time === undefined ? undefined : Number(time) * WINDOW_US[timeUnit!]!;
  const inWindow = (rateBytesPerSecond * (rateWindowUs ?? DEFAULT_WINDOW_US)) / 1e6;
  if (inWindow < 1 || inWindow > MOST || (rateWindowUs ?? 1) > MOST) {
    throw new Fault(offset, `rate: "${text}" is ${inWindow < 1 ? "less than a byte" : "too much"} in its window`);
  }
  return { rateBytesPerSecond, ...(rateWindowUs === undefined ? {} : { rateWindowUs }) };
}

/** QEMU's form: `tcp:127.0.0.1:8080-:80`; without an address of the host it is 127.0.0.1 here, without a port any. */
function readForward({ text, offset }: Value): PortForward {
  const match = /^(tcp|udp|):(\[[^\]]*\]|[^:[\]]*):(\d{0,5})-([^:]*):(\d{1,5})$/.exec(text);
  if (match === null) {
    throw new Fault(offset, `hostfwd: expected as in tcp:127.0.0.1:8080-:80, found "${text}"`);
  }
  const [, protocol, address, hostPort, guest, guestPort] = match;
  if (guest !== "")
    throw new Fault(offset, "hostfwd: the guest is this one: leave its address out, as in tcp::8080-:80");
  const hostAddress = address!.replace(/^\[|\]$/g, "");
  if (hostAddress !== "" && !isAddress(hostAddress)) {
    throw new Fault(offset, `hostfwd: "${hostAddress}" is no address of a host: expected as in 127.0.0.1 or [::1]`);
  }
  const ports = { hostPort: Number(hostPort), guestPort: Number(guestPort) };
  if (ports.hostPort > PORT_MAX || ports.guestPort > PORT_MAX || ports.guestPort === 0) {
    throw new Fault(offset, `hostfwd: ports are from 1 to ${PORT_MAX}, and 0 at the host is any that is free`);
  }
  const rest = hostAddress === "" ? {} : { hostAddress };
  return { protocol: protocol === "udp" ? "udp" : "tcp", ...rest, ...ports };
}
