/** Questions and answers of DNS. [RFC 1035] 4, [RFC 6891] (EDNS) */
import { parseIp } from "../../addresses.js";
import { decodeName, encodeName } from "./names.js";
import { putU16, putU32, u16 } from "./numbers.js";

export const DNS_PORT = 53;
export const RecordType = { A: 1, PTR: 12, AAAA: 28, OPT: 41, SVCB: 64, HTTPS: 65 } as const;
export const ResponseCode = {
  OK: 0,
  FORMAT: 1,
  SERVER: 2,
  NO_NAME: 3,
  NOT_IMPLEMENTED: 4,
  REFUSED: 5,
  BAD_VERSION: 16,
} as const;
const HEADER_BYTES = 12;
const INTERNET = 1;
const IS_RESPONSE = 0x8000;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;
const OPCODE_SHIFT = 11;
/** Of UDP without EDNS, and what we send with it: no larger than fits everywhere. */
const PLAIN_UDP_BYTES = 512;
const MOST_UDP_BYTES = 1232;
export const MOST_TCP_BYTES = 65_535;
const OPT_BYTES = 11;
/** The flag of who understands DNSSEC. */
const DNSSEC_OK = 0x8000;
/** A pointer to the question's name. */
const QUESTION_NAME = 0xc000 | HEADER_BYTES;

export interface DnsQuery {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** The question's bytes as they came, for the answer. */
  readonly question: Uint8Array;
  /** Lower case, without the dot at the end. Bytes as characters: "" is the root. */
  readonly name: string;
  readonly type: number;
  readonly hasEdns: boolean;
  /** The flags of EDNS that an answer repeats: [RFC 3225] 3. */
  readonly ednsFlags: number;
  /** Most bytes of an answer over UDP. */
  readonly udpBytes: number;
  /** What is wrong with it already, or OK. */
  readonly code: number;
}

/** A query; null when it deserves no answer: a response, or not even a header. */
export function readQuery(bytes: Uint8Array): DnsQuery | null {
  if (bytes.length < HEADER_BYTES) return null;
  const flags = u16(bytes, 2);
  if ((flags & IS_RESPONSE) !== 0) return null;
  const bare = {
    id: u16(bytes, 0),
    recursionDesired: (flags & RECURSION_DESIRED) !== 0,
    question: new Uint8Array(0),
    name: "",
    type: 0,
    hasEdns: false,
    ednsFlags: 0,
    udpBytes: PLAIN_UDP_BYTES,
    code: ResponseCode.FORMAT as number,
  };
  if (((flags >>> OPCODE_SHIFT) & 15) !== 0) return { ...bare, code: ResponseCode.NOT_IMPLEMENTED };
  if (u16(bytes, 4) !== 1 || u16(bytes, 6) !== 0 || u16(bytes, 8) !== 0) return bare;
  const name = decodeName(bytes, HEADER_BYTES);
  if (name === null || name.next + 4 > bytes.length) return bare;
  const edns = readEdns(bytes, name.next + 4, u16(bytes, 10));
  if (edns === null) return bare;
  const isInternet = u16(bytes, name.next + 2) === INTERNET;
  const code = edns.code !== ResponseCode.OK ? edns.code : isInternet ? ResponseCode.OK : ResponseCode.NOT_IMPLEMENTED;
  return {
    ...bare,
    question: bytes.slice(HEADER_BYTES, name.next + 4),
    // A dot inside a label must not look like the end of one.
    name: name.labels
      .map((label) => label.replaceAll(".", "\\."))
      .join(".")
      .toLowerCase(),
    type: u16(bytes, name.next),
    hasEdns: edns.isThere,
    ednsFlags: edns.flags,
    udpBytes: edns.udpBytes,
    code,
  };
}

/** The pseudo record of EDNS among the additional ones; others are skipped; null when they are malformed. */
function readEdns(
  bytes: Uint8Array,
  from: number,
  count: number,
): { isThere: boolean; flags: number; udpBytes: number; code: number } | null {
  let found = { isThere: false, flags: 0, udpBytes: PLAIN_UDP_BYTES, code: ResponseCode.OK as number };
  let at = from;
  for (let i = 0; i < count; i++) {
    const name = decodeName(bytes, at);
    if (name === null || name.next + 10 > bytes.length) return null;
    const end = name.next + 10 + u16(bytes, name.next + 8);
    if (end > bytes.length) return null;
    if (u16(bytes, name.next) === RecordType.OPT) {
      if (found.isThere || name.labels.length > 0) return null;
      const udpBytes = Math.min(MOST_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, u16(bytes, name.next + 2)));
      const code = bytes[name.next + 5] === 0 ? ResponseCode.OK : ResponseCode.BAD_VERSION;
      found = { isThere: true, flags: u16(bytes, name.next + 6) & DNSSEC_OK, udpBytes, code };
    }
    at = end;
  }
  return found;
}

/** What is known about a question. */
export interface DnsAnswer {
  readonly code: number;
  /** Data of the records, all of the question's type. */
  readonly records: readonly Uint8Array[];
  readonly ttlSeconds: number;
}

/** The response within `most` bytes: cut and marked so when the records do not fit. */
export function writeResponse(query: DnsQuery, answer: DnsAnswer, most: number): Uint8Array {
  const fixed = HEADER_BYTES + query.question.length + (query.hasEdns ? OPT_BYTES : 0);
  let count = 0;
  let bytes = fixed;
  for (const record of answer.records) {
    if (bytes + 12 + record.length > most) break;
    bytes += 12 + record.length;
    count++;
  }
  const response = new Uint8Array(bytes);
  putU16(response, 0, query.id);
  const flags = IS_RESPONSE | RECURSION_AVAILABLE | (query.recursionDesired ? RECURSION_DESIRED : 0);
  putU16(response, 2, flags | (count < answer.records.length ? TRUNCATED : 0) | (answer.code & 15));
  putU16(response, 4, query.question.length > 0 ? 1 : 0);
  putU16(response, 6, count);
  putU16(response, 10, query.hasEdns ? 1 : 0);
  response.set(query.question, HEADER_BYTES);
  let at = HEADER_BYTES + query.question.length;
  for (const record of answer.records.slice(0, count)) {
    putU16(response, at, QUESTION_NAME);
    putU16(response, at + 2, query.type);
    putU16(response, at + 4, INTERNET);
    putU32(response, at + 6, answer.ttlSeconds);
    putU16(response, at + 10, record.length);
    response.set(record, at + 12);
    at += 12 + record.length;
  }
  if (query.hasEdns) {
    putU16(response, at + 1, RecordType.OPT);
    putU16(response, at + 3, MOST_UDP_BYTES);
    response[at + 5] = answer.code >>> 4;
    putU16(response, at + 7, query.ednsFlags);
  }
  return response;
}

/** The address whose name a PTR question asks for, or null: [RFC 1035] 3.5, [RFC 3596] 2.5. */
export function addressOfReverseName(name: string): Uint8Array | null {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4 !== null) return parseIp(v4.slice(1).reverse().join("."));
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (v6 === null) return null;
  const digits = v6[1]!.replaceAll(".", "").split("").reverse().join("");
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** A record's data that is a name; null when it is none. */
export const nameRecord = encodeName;
