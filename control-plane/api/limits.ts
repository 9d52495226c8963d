/** What a domain's configuration may say: the rules that Domain0 checks and that its clients explain. */
import type { LifecycleAction } from "./types.js";

export const MEMORY_MIN_MIB = 2;
export const MEMORY_MAX_MIB = 1024 * 1024;
export const VCPUS_MAX = 128;
export const PCPUS_MAX = 128;
/** Of the credit scheduler: a weight, and a cap in per cent of a pCPU. */
export const WEIGHT_MIN = 1;
export const WEIGHT_MAX = 65535;
export const CAP_MAX = 65535;
export const DOMAIN_NAME = /^[A-Za-z0-9_.+-][A-Za-z0-9_.:+ -]{0,127}$/;
export const DOMAIN_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const LIFECYCLE_ACTIONS: readonly LifecycleAction[] = [
  "destroy",
  "restart",
  "rename-restart",
  "preserve",
  "coredump-destroy",
  "coredump-restart",
];

/** Of network interfaces. */
export const VIF_DEVID_MAX = 255;
export const VIF_QUEUES_MAX = 64;
/** [RFC791] asks for 68; the largest that Linux's driver takes leaves room for an Ethernet header and a VLAN tag. */
export const MTU_MIN = 68;
export const MTU_MAX = 65517;
export const VLAN_MAX = 4094;
export const PORT_MAX = 65535;
export const MAC_ADDRESS = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
/** Names of switches and of interfaces. */
export const NETWORK_NAME = /^[A-Za-z0-9_.:-]{1,64}$/;
/** Of links between networks: characters of a secret, of a name for people, and of an address. */
export const LINK_TOKEN_MAX = 256;
export const LINK_NAME_MAX = 64;
export const LINK_URL_MAX = 2048;
/** The network that leads out. */
export const USER_NETWORK = "nat";

/** Whether a MAC address may be an interface's: neither a group's nor none. */
export function isStationMac(mac: string): boolean {
  return MAC_ADDRESS.test(mac) && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && mac !== "00:00:00:00:00:00";
}

const isIpv4 = (text: string): boolean =>
  /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text) && text.split(".").every((part) => Number(part) < 256);

/** Groups of hexadecimal digits, with one run of zeros cut. */
function isIpv6(text: string): boolean {
  const halves = text.split("::");
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  if (!text.includes(":") || halves.length > 2 || groups.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

/** Whether a text is an IP address. */
export const isAddress = (text: string): boolean => isIpv4(text) || isIpv6(text);

/** What is wrong with the address of a link, or null. */
export function linkUrlProblem(text: string): string | null {
  const isGiven = text.length <= LINK_URL_MAX && /^wss?:\/\/[^/]/i.test(text) && URL.canParse(text);
  if (!isGiven) return `"${text.slice(0, 100)}" is not an address as in ws://host:8082/lab or wss://host/lab`;
  const { username, password, hash } = new URL(text);
  if (username !== "" || password !== "") return "the address has a name or a password in it: give a token instead";
  return hash === "" ? null : `the address has a "#" in it`;
}
