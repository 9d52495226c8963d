import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIp, formatMac, parseIp, parseMac } from "./addresses.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const ipLike = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.stringMatching(/^[0-9a-f:.]{0,24}$/),
  fc
    .array(fc.constantFrom("", "0", "ffff", "1.2.3.4", "fe80", "12345", "g"), { maxLength: 10 })
    .map((a) => a.join(":")),
);

describe("MAC addresses", () => {
  it("are read as they are written", () => {
    fc.assert(fc.property(bytes(6), (mac) => void expect(parseMac(formatMac(mac))).toEqual(mac)));
    expect(formatMac(parseMac("00:16:3E:0a:00:01")!)).toBe("00:16:3e:0a:00:01");
  });

  it("are refused when they are none", () => {
    for (const text of ["", "00:16:3e:00:00", "00:16:3e:00:00:0g", "00:16:3e:00:00:01:02", "0:16:3e:00:00:01"])
      expect(parseMac(text), text).toBeNull();
  });
});

describe("IP addresses", () => {
  it("are read as they are written", () => {
    fc.assert(fc.property(fc.oneof(bytes(4), bytes(16)), (ip) => void expect(parseIp(formatIp(ip))).toEqual(ip)));
  });

  it("are accepted exactly when Node knows them", () => {
    fc.assert(
      fc.property(ipLike, (text) => (parseIp(text) !== null) === (isIPv4(text) || isIPv6(text))),
      {
        numRuns: 2000,
      },
    );
  });

  it("are written as the WHATWG URL parser writes them", () => {
    const groups = fc.array(fc.constantFrom(0, 0, 0, 1, 0xabc, 0xffff), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (g) => {
        const ip = Uint8Array.from(g.flatMap((n) => [n >> 8, n & 255]));
        const text = g.map((n) => n.toString(16)).join(":");
        expect(`[${formatIp(ip)}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
    );
  });
});
