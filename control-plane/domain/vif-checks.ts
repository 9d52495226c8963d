/** What the interfaces of a configuration may be, and what is filled in that it leaves out. */
import {
  isAddress,
  isStationMac,
  MTU_MAX,
  MTU_MIN,
  NETWORK_NAME,
  PORT_MAX,
  USER_NETWORK,
  VIF_DEVID_MAX,
  VIF_QUEUES_MAX,
  VLAN_MAX,
} from "../api/limits.js";
import type { PortForward, VifConfig } from "../api/types.js";
import type { Random } from "../util/index.js";

/** An interface with its number and its address. */
export type FullVif = VifConfig & { readonly devid: number; readonly mac: string };

/** [XEN] libxlu_vif.c: 32 bits. */
const RATE_WINDOW_US_MAX = 2 ** 32 - 1;
/** Of the Xen project. */
const OUI = "00:16:3e";

export const networkOf = ({ bridge }: VifConfig): string => bridge ?? USER_NETWORK;

/** What is wrong with the interfaces of a configuration, or null. */
export function checkVifs(vifs: readonly VifConfig[]): string | null {
  const macs = new Set<string>();
  const devids = new Set<number>();
  for (const [index, vif] of vifs.entries()) {
    const wrong = checkVif(vif);
    if (wrong !== null) return wrong;
    const { mac, devid = index } = vif;
    if (mac !== undefined && macs.has(mac.toLowerCase())) return `vif: mac ${mac} is there twice`;
    if (mac !== undefined) macs.add(mac.toLowerCase());
    if (vif.devid !== undefined && devids.has(devid)) return `vif: devid ${devid} is there twice`;
    if (vif.devid !== undefined) devids.add(devid);
  }
  return vifs.length > VIF_DEVID_MAX + 1 ? `vif: more than ${VIF_DEVID_MAX + 1}` : null;
}

/** What is wrong with one interface, or null. */
export function checkVif(vif: VifConfig): string | null {
  if (typeof vif !== "object" || vif === null) return "vif: not an interface";
  const { bridge, vifname, mac, type, ip } = vif;
  if (mac !== undefined && !(typeof mac === "string" && isStationMac(mac))) {
    return `vif: mac "${mac}" is no address of a single station: expected as in 00:16:3e:01:02:03`;
  }
  for (const [key, name] of Object.entries({ bridge, vifname })) {
    if (name !== undefined && !(typeof name === "string" && NETWORK_NAME.test(name))) {
      return `vif: ${key} "${name}": 1 to 64 letters, digits and _ . : - are allowed`;
    }
  }
  if (type !== undefined && type !== "vif" && type !== "vif2") return `vif: type "${type}" is not vif or vif2`;
  if (ip !== undefined && !(typeof ip === "string" && isAddress(ip))) return `vif: ip "${ip}" is no address`;
  return checkNumbers(vif) ?? checkForwards(vif);
}

function checkNumbers(vif: VifConfig): string | null {
  const ranges: readonly [string, number | undefined, number, number][] = [
    ["devid", vif.devid, 0, VIF_DEVID_MAX],
    ["queues", vif.queues, 1, VIF_QUEUES_MAX],
    ["mtu", vif.mtu, MTU_MIN, MTU_MAX],
    ["vlan", vif.vlan, 1, VLAN_MAX],
    ["rate window", vif.rateWindowUs, 1, RATE_WINDOW_US_MAX],
  ];
  for (const [name, value, min, max] of ranges) {
    if (value !== undefined && !isWhole(value, min, max)) return `vif: ${name} ${value} is not from ${min} to ${max}`;
  }
  const { rateBytesPerSecond: rate } = vif;
  return rate === undefined || (Number.isFinite(rate) && rate > 0) ? null : `vif: rate ${rate} is not above 0`;
}

/** Whether a rate may be counted over windows of so many microseconds. */
export const isRateWindow = (us: unknown): boolean => isWhole(us, 1, RATE_WINDOW_US_MAX);

const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;

function checkForwards(vif: VifConfig): string | null {
  const { forwards = [] } = vif;
  if (!Array.isArray(forwards)) return "vif: forwards is not a list";
  if (forwards.length > 0 && networkOf(vif) !== USER_NETWORK) {
    return "vif: hostfwd is of the user-mode network: leave bridge out";
  }
  for (const forward of forwards) {
    const wrong = checkForward(forward);
    if (wrong !== null) return `vif: hostfwd: ${wrong}`;
  }
  return null;
}

function checkForward({ protocol, hostAddress, hostPort, guestPort }: PortForward): string | null {
  if (protocol !== "tcp" && protocol !== "udp") return `"${protocol}" is not tcp or udp`;
  if (hostAddress !== undefined && !(typeof hostAddress === "string" && isAddress(hostAddress))) {
    return `"${hostAddress}" is no address`;
  }
  if (!isWhole(hostPort, 0, PORT_MAX)) return `the host's port ${hostPort} is not from 0 to ${PORT_MAX}`;
  return isWhole(guestPort, 1, PORT_MAX) ? null : `the guest's port ${guestPort} is not from 1 to ${PORT_MAX}`;
}

/** Gives an interface what it leaves out. `taken` has the numbers of the domain's others; null when none is left. */
export function completeVif(vif: VifConfig, taken: ReadonlySet<number>, random: Random): FullVif | null {
  let devid = vif.devid ?? 0;
  if (vif.devid === undefined) while (taken.has(devid)) devid++;
  if (devid > VIF_DEVID_MAX) return null;
  return { ...vif, devid, mac: vif.mac?.toLowerCase() ?? drawMac(random) };
}

/** As xl does it: three bytes of the Xen project's, and 23 bits of chance. */
function drawMac(random: Random): string {
  const draw = random.u32();
  const bytes = [(draw >>> 16) & 0x7f, (draw >>> 8) & 0xff, draw & 0xff];
  return `${OUI}:${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
}
