/** Messages of DHCP and their options. [RFC 2131] 2, [RFC 2132] */
import { encodeName } from "./names.js";
import { holds, putU16, putU32, u16 } from "./numbers.js";

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;
export const DhcpType = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;
const Code = {
  PAD: 0,
  MASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOSTNAME: 12,
  DOMAIN: 15,
  MTU: 26,
  BROADCAST: 28,
  REQUESTED: 50,
  LEASE: 51,
  OVERLOAD: 52,
  TYPE: 53,
  SERVER: 54,
  WANTED: 55,
  MESSAGE: 56,
  RENEWAL: 58,
  REBINDING: 59,
  CLIENT_ID: 61,
  SEARCH: 119,
  END: 255,
} as const;
const COOKIE = Uint8Array.of(99, 130, 83, 99);
const FIXED_BYTES = 236;
const SNAME_AT = 44;
const FILE_AT = 108;
/** What BOOTP's clients take at least. [RFC 951] */
const LEAST_BYTES = 300;
const ETHERNET = 1;
/** Bytes of an option in one piece. */
const MOST_OPTION = 255;

export interface DhcpRequest {
  readonly type: number;
  readonly transaction: Uint8Array;
  readonly seconds: number;
  readonly wantsBroadcast: boolean;
  /** What the client has already: ciaddr. */
  readonly clientIp: Uint8Array;
  readonly relay: Uint8Array;
  readonly mac: Uint8Array;
  readonly requested: Uint8Array | null;
  readonly server: Uint8Array | null;
  readonly clientId: Uint8Array | null;
  readonly hostname: string;
  /** Codes of the options that the client asks for; null when it does not say. */
  readonly wanted: ReadonlySet<number> | null;
}

/** A client's message; null when it is none, malformed, or BOOTP's. */
export function readDhcp(bytes: Uint8Array): DhcpRequest | null {
  if (bytes.length < FIXED_BYTES + 4 || bytes[0] !== 1 || bytes[1] !== ETHERNET || bytes[2] !== 6) return null;
  if (!holds(bytes, FIXED_BYTES, COOKIE)) return null;
  const options = readOptions(bytes);
  const type = options?.get(Code.TYPE);
  if (options === null || type?.length !== 1) return null;
  const address = (code: number): Uint8Array | null => {
    const value = options.get(code);
    return value?.length === 4 ? value : null;
  };
  const wanted = options.get(Code.WANTED);
  return {
    type: type[0]!,
    transaction: bytes.slice(4, 8),
    seconds: u16(bytes, 8),
    wantsBroadcast: (bytes[10]! & 0x80) !== 0,
    clientIp: bytes.slice(12, 16),
    relay: bytes.slice(24, 28),
    mac: bytes.slice(28, 34),
    requested: address(Code.REQUESTED),
    server: address(Code.SERVER),
    clientId: options.get(Code.CLIENT_ID) ?? null,
    hostname: hostnameOf(options.get(Code.HOSTNAME)),
    wanted: wanted === undefined ? null : new Set(wanted),
  };
}

/** What can stand in a list for people; else nothing. */
function hostnameOf(value: Uint8Array | undefined): string {
  const text =
    value === undefined || value.length > MOST_OPTION ? "" : String.fromCharCode(...value).replace(/\0+$/, "");
  return /^[A-Za-z0-9._-]{1,63}$/.test(text) ? text : "";
}

/** Options by their codes, those that come in pieces joined ([RFC 3396]); null when they run out of their field. */
function readOptions(bytes: Uint8Array): Map<number, Uint8Array> | null {
  const pieces: Pieces = new Map();
  if (!readField(bytes, FIXED_BYTES + 4, bytes.length, pieces)) return null;
  const overload = pieces.get(Code.OVERLOAD)?.find((piece) => piece.length > 0)?.[0] ?? 0;
  if ((overload & 1) !== 0 && !readField(bytes, FILE_AT, FIXED_BYTES, pieces)) return null;
  if ((overload & 2) !== 0 && !readField(bytes, SNAME_AT, FILE_AT, pieces)) return null;
  return new Map([...pieces].map(([code, parts]) => [code, joined(parts)]));
}

/** Views of the message, by code. */
type Pieces = Map<number, Uint8Array[]>;

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function readField(bytes: Uint8Array, from: number, end: number, options: Pieces): boolean {
  for (let at = from; at < end; ) {
    const code = bytes[at++]!;
    if (code === Code.END) return true;
    if (code === Code.PAD) continue;
    const length = bytes[at] ?? 0;
    if (at + 1 + length > end) return false;
    const value = bytes.subarray(at + 1, at + 1 + length);
    const before = options.get(code);
    if (before === undefined) options.set(code, [value]);
    else before.push(value);
    at += 1 + length;
  }
  // Without an end: other servers take it too.
  return true;
}

export interface DhcpReply {
  readonly type: number;
  readonly server: Uint8Array;
  /** The client's address: yiaddr. All zeros for one that keeps what it has, and in a refusal. */
  readonly address: Uint8Array;
  /** Absent when there is no lease. */
  readonly leaseSeconds?: number;
  /** Absent in a refusal. */
  readonly network?: DhcpNetwork;
  readonly hostname?: string;
  /** Why it is refused, for the client's log. */
  readonly message?: string;
}

export interface DhcpNetwork {
  readonly mask: Uint8Array;
  readonly broadcast: Uint8Array;
  readonly router: Uint8Array;
  readonly dns: Uint8Array;
  readonly mtu: number;
  readonly domain: string;
  readonly searchDomains: readonly string[];
}

/** The answer to `request`. Of the network it tells what the client asks for, or everything when it does not say. */
export function dhcpReply(request: DhcpRequest, reply: DhcpReply): Uint8Array {
  const options = replyOptions(request, reply);
  const bytes = new Uint8Array(Math.max(LEAST_BYTES, FIXED_BYTES + 4 + options.length + 1));
  bytes[0] = 2;
  bytes[1] = ETHERNET;
  bytes[2] = 6;
  bytes.set(request.transaction, 4);
  if (request.wantsBroadcast) bytes[10] = 0x80;
  if (reply.type === DhcpType.ACK) bytes.set(request.clientIp, 12);
  bytes.set(reply.address, 16);
  bytes.set(request.relay, 24);
  bytes.set(request.mac, 28);
  bytes.set(COOKIE, FIXED_BYTES);
  bytes.set(options, FIXED_BYTES + 4);
  bytes[FIXED_BYTES + 4 + options.length] = Code.END;
  return bytes;
}

function replyOptions(request: DhcpRequest, reply: DhcpReply): Uint8Array {
  const bytes: number[] = [];
  const put = (code: number, value: ArrayLike<number>): void => {
    bytes.push(code, value.length, ...Array.from(value));
  };
  put(Code.TYPE, [reply.type]);
  put(Code.SERVER, reply.server);
  // In pieces, as it came: [RFC 3396] 5.
  const { clientId } = request;
  for (let at = 0; clientId !== null && at < clientId.length; at += MOST_OPTION)
    put(Code.CLIENT_ID, clientId.subarray(at, at + MOST_OPTION));
  if (reply.message !== undefined) put(Code.MESSAGE, new TextEncoder().encode(reply.message));
  if (reply.leaseSeconds !== undefined) {
    put(Code.LEASE, seconds(reply.leaseSeconds));
    put(Code.RENEWAL, seconds(reply.leaseSeconds / 2));
    put(Code.REBINDING, seconds((reply.leaseSeconds * 7) / 8));
  }
  const { network } = reply;
  if (network === undefined) return Uint8Array.from(bytes);
  const tell = (code: number, value: ArrayLike<number>): void => {
    if (value.length > 0 && value.length < 256 && (request.wanted?.has(code) ?? true)) put(code, value);
  };
  // The mask comes before the router: [RFC 2132] 3.3.
  tell(Code.MASK, network.mask);
  tell(Code.ROUTER, network.router);
  tell(Code.DNS, network.dns);
  tell(Code.HOSTNAME, ascii(reply.hostname ?? ""));
  tell(Code.DOMAIN, ascii(network.domain));
  const mtu = new Uint8Array(2);
  putU16(mtu, 0, network.mtu);
  tell(Code.MTU, mtu);
  tell(Code.BROADCAST, network.broadcast);
  // Without compression, which is allowed: [RFC 3397] 2.
  tell(
    Code.SEARCH,
    network.searchDomains.flatMap((domain) => [...(encodeName(domain) ?? [])]),
  );
  return Uint8Array.from(bytes);
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

function seconds(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  putU32(bytes, 0, Math.floor(value));
  return bytes;
}
