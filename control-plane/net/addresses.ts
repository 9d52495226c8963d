/** MAC and IP addresses as people write them, and as bytes. IPv6 as [RFC 5952] wants it: lower case, the longest run of zeros cut. */

const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

/** "00:16:3e:00:00:01". */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 6), hex).join(":");
}

/** Null when it is none. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return null;
  return Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
}

/** An address of 4 or of 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  const [start, length] = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** Start and length of the first longest run of zeros. */
function longestZeros(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best[1]) best = [start, end - start];
  }
  return best;
}

/** 4 or 16 bytes; null when it is no address. */
export function parseIp(text: string): Uint8Array | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | null {
  if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(text)) return null;
  const numbers = text.split(".").map(Number);
  return numbers.every((n) => n < 256) ? Uint8Array.from(numbers) : null;
}

function parseIpv6(text: string): Uint8Array | null {
  const tail = text.slice(text.lastIndexOf(":") + 1);
  const embedded = tail.includes(".") ? parseIpv4(tail) : null;
  if (tail.includes(".") && embedded === null) return null;
  // An IPv4 address at the end stands for two groups.
  const plain = embedded === null ? text : text.slice(0, -tail.length) + hexGroups(embedded);
  const halves = plain.split("::").map((half) => (half === "" ? [] : half.split(":")));
  if (halves.length > 2 || halves.flat().some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return null;
  const given = halves.flat().length;
  if (halves.length === 2 ? given > 7 : given !== 8) return null;
  const groups = [...halves[0]!, ...new Array<string>(8 - given).fill("0"), ...(halves[1] ?? [])];
  return Uint8Array.from(groups.flatMap((g) => [Number.parseInt(g, 16) >> 8, Number.parseInt(g, 16) & 0xff]));
}

const hexGroups = (ipv4: Uint8Array): string => `${hex(ipv4[0]!)}${hex(ipv4[1]!)}:${hex(ipv4[2]!)}${hex(ipv4[3]!)}`;
