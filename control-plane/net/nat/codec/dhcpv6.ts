/** DHCPv6 without addresses: what a client asks for by an information request. [RFC 8415] 8, 21, [RFC 3646] */
import { encodeName } from "./names.js";
import { holds, putU16, putU32, u16 } from "./numbers.js";

export const DHCPV6_SERVER_PORT = 547;
export const DHCPV6_CLIENT_PORT = 546;
const INFORMATION_REQUEST = 11;
const REPLY = 7;
const Option = { CLIENT_ID: 1, SERVER_ID: 2, DNS: 23, DOMAINS: 24, REFRESH: 32, STATUS: 13 } as const;
/** A status code: the message may not come by unicast. [RFC 8415] 21.13 */
const USE_MULTICAST = 5;
const REFRESH_SECONDS = 86_400;
/** DUID-LL, Ethernet. [RFC 8415] 11.4 */
const DUID_LL = [0, 3, 0, 1];
const MOST_DUID = 130;

export interface InformationRequest {
  readonly transaction: Uint8Array;
  readonly clientId: Uint8Array | null;
  /** The one server that is asked; null for any. */
  readonly serverId: Uint8Array | null;
}

/** Null for anything else, and what is malformed. */
export function readInformationRequest(bytes: Uint8Array): InformationRequest | null {
  if (bytes.length < 4 || bytes[0] !== INFORMATION_REQUEST) return null;
  let clientId: Uint8Array | null = null;
  let serverId: Uint8Array | null = null;
  for (let at = 4; at < bytes.length; ) {
    if (at + 4 > bytes.length) return null;
    const length = u16(bytes, at + 2);
    if (at + 4 + length > bytes.length) return null;
    const value = bytes.slice(at + 4, at + 4 + length);
    if (u16(bytes, at) === Option.CLIENT_ID) clientId = value;
    if (u16(bytes, at) === Option.SERVER_ID) serverId = value;
    at += 4 + length;
  }
  if ((clientId?.length ?? 0) > MOST_DUID) return null;
  return { transaction: bytes.slice(1, 4), clientId, serverId };
}

export function serverIdOf(mac: Uint8Array): Uint8Array {
  return Uint8Array.of(...DUID_LL, ...mac);
}

/** Whether the server with this MAC is asked. [RFC 8415] 16.12 */
export function isForServer({ serverId }: InformationRequest, mac: Uint8Array): boolean {
  const own = serverIdOf(mac);
  return serverId === null || (serverId.length === own.length && holds(serverId, 0, own));
}

export function informationReply(
  request: InformationRequest,
  server: { readonly mac: Uint8Array; readonly dns: Uint8Array; readonly searchDomains: readonly string[] },
): Uint8Array {
  const refresh = new Uint8Array(4);
  putU32(refresh, 0, REFRESH_SECONDS);
  const domains = server.searchDomains.flatMap((domain) => [...(encodeName(domain) ?? [])]);
  const options: ReplyOption[] = [
    [Option.DNS, server.dns],
    [Option.REFRESH, refresh],
  ];
  if (domains.length > 0) options.push([Option.DOMAINS, domains]);
  return reply(request, server.mac, options);
}

/** For a request by unicast, which no server of ours has allowed: it is told so, and nothing else. [RFC 8415] 18.4 */
export function useMulticastReply(request: InformationRequest, mac: Uint8Array): Uint8Array {
  return reply(request, mac, [[Option.STATUS, [0, USE_MULTICAST]]]);
}

type ReplyOption = readonly [code: number, value: ArrayLike<number>];

function reply(request: InformationRequest, mac: Uint8Array, about: readonly ReplyOption[]): Uint8Array {
  const options: ReplyOption[] = [[Option.SERVER_ID, serverIdOf(mac)], ...about];
  if (request.clientId !== null) options.unshift([Option.CLIENT_ID, request.clientId]);
  const bytes = new Uint8Array(options.reduce((sum, [, value]) => sum + 4 + value.length, 4));
  bytes[0] = REPLY;
  bytes.set(request.transaction, 1);
  let at = 4;
  for (const [code, value] of options) {
    putU16(bytes, at, code);
    putU16(bytes, at + 2, value.length);
    bytes.set(value, at + 4);
    at += 4 + value.length;
  }
  return bytes;
}
