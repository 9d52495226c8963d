import { describe, expect, it, test } from "vitest";
import { parseVifSpec } from "./vif-spec.js";

function vif(text: string) {
  const result = parseVifSpec(text);
  if (!result.ok) throw new Error(result.fault.message);
  return result.vif;
}

describe("what is understood", () => {
  test.each([
    ["", {}],
    [" ", {}],
    ["mac=00:16:3E:AA:bb:01, bridge=xenbr0", { mac: "00:16:3e:aa:bb:01", bridge: "xenbr0" }],
    [
      "bridge=lab,type=vif,vifname=web0,devid=2,mtu=9000",
      { bridge: "lab", type: "vif", vifname: "web0", devid: 2, mtu: 9000 },
    ],
    ["type=vif2,queues=4,vlan=100,trusted=0", { type: "vif2", queues: 4, vlan: 100, trusted: false }],
    ["ip=10.0.2.20", { ip: "10.0.2.20" }],
    ["ip=fec0::20", { ip: "fec0::20" }],
    ["rate=10Mb/s", { rateBytesPerSecond: 1_250_000 }],
    ["rate=250KB/s", { rateBytesPerSecond: 250_000 }],
    ["rate=1MB/s@20ms", { rateBytesPerSecond: 1_000_000, rateWindowUs: 20_000 }],
    ["rate=10Gb/s@1s", { rateBytesPerSecond: 1_250_000_000, rateWindowUs: 1_000_000 }],
    [
      "hostfwd=tcp:127.0.0.1:8080-:80",
      { forwards: [{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 }] },
    ],
    [
      "hostfwd=udp::5353-:53,hostfwd=tcp:[::1]:0-:22,hostfwd=::-:1",
      {
        forwards: [
          { protocol: "udp", hostPort: 5353, guestPort: 53 },
          { protocol: "tcp", hostAddress: "::1", hostPort: 0, guestPort: 22 },
          { protocol: "tcp", hostPort: 0, guestPort: 1 },
        ],
      },
    ],
  ])("%s", (text, expected) => {
    expect(vif(text)).toEqual(expected);
  });
});

describe("what is refused, with its place", () => {
  test.each([
    ["script=vif-route", 0, /no network scripts/],
    ["bridge=a, backend=net1", 10, /Domain0 alone/],
    ["gatewaydev=eth0", 0, /user-mode network/],
    ["model=e1000", 0, /no emulated network cards/],
    ["type=ioemu", 5, /no emulated network cards/],
    ["type=veth", 5, /"vif" or "vif2"/],
    ["mac=00:16:3e", 4, /00:16:3e:01:02:03/],
    ["mac=01:16:3e:00:00:01", 4, /no address of a single station/],
    ["mac=00:00:00:00:00:00", 4, /no address of a single station/],
    ["bridge=", 7, /letters, digits/],
    ["bridge", 0, /needs a value/],
    ["brigde=a", 0, /there is no keyword "brigde"/],
    ["toString=a", 0, /there is no keyword/],
    ["mac=00:16:3e:00:00:01,mac=00:16:3e:00:00:02", 22, /given twice/],
    ["mtu=60", 4, /68 to 65517/],
    ["vlan=4095", 5, /1 to 4094/],
    ["queues=0", 7, /1 to 64/],
    ["ip=10.0.2.256", 3, /one address/],
    ["ip=10.0.2.01", 3, /one address/],
    ["ip=fec0::1::2", 3, /one address/],
    ["ip=10.0.2.1 10.0.2.2", 3, /one address/],
    ["rate=10Mb", 5, /1MB\/s@20ms/],
    ["rate=10mb/s", 5, /1MB\/s@20ms/],
    ["rate=1b/s@1us", 5, /less than a byte/],
    ["rate=100GB/s@1s", 5, /too much/],
    ["hostfwd=tcp:8080:80", 8, /tcp:127.0.0.1:8080-:80/],
    ["hostfwd=tcp::8080-10.0.2.15:80", 8, /leave its address out/],
    ["hostfwd=tcp:localhost:8080-:80", 8, /no address of a host/],
    ["hostfwd=tcp::70000-:80", 8, /ports are from 1/],
    ["hostfwd=tcp::80-:0", 8, /ports are from 1/],
  ])("%s", (text, offset, message) => {
    const result = parseVifSpec(text);
    expect(result).toEqual({ ok: false, fault: { offset, message: expect.stringMatching(message) } });
  });

  it("reads any text without an exception", () => {
    for (const text of [",,,", "=", "=,=", "a=b=c", "hostfwd=", "rate=/s@", "\0", "mac==", "hostfwd=:::-::"])
      parseVifSpec(text);
  });
});
