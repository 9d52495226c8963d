/** Verbs about networks: interfaces of domains, and what passes between them. */
import { seconds, wholeNumber } from "./values.js";
import type { Verb } from "./verb.js";

const SNAPLEN_MAX = 262_144;
const PORT_MAX = 65_535;

export const NETWORK_VERBS: readonly Verb[] = [
  {
    name: "network",
    arguments: "[network]",
    summary: "who is plugged in where, and who talks to whom",
    details: `A network is a switch with the name that bridge= of an interface gives; "nat" is the one that leads out: guests get
addresses in 10.0.2.0/24 by DHCP, reach the world as this process may, and this host at 10.0.2.2.`,
    options: [
      { flags: "--flows <n>", text: "show so many conversations (default: 20)", parse: wholeNumber(0, 100_000) },
      { flags: "-l, --long", text: "all that is known, as JSON" },
    ],
    examples: [
      ["network", "all networks"],
      ["network nat", "the way out, with the addresses it gave"],
    ],
    load: async () => (await import("../commands/network-show.js")).network,
  },
  {
    name: "network-attach",
    arguments: "<domain> [vif...]",
    summary: "give a running domain one more network interface",
    details: `VIF is as in vif = [ ... ] of a configuration, in one word or several: mac=, bridge= (a switch by name; without it the way
leads out), rate=10Mb/s, mtu=, queues=, vlan=, ip=, devid=, vifname=, hostfwd=tcp:127.0.0.1:8080-:80.`,
    examples: [
      ["network-attach web", "one that leads out"],
      ["network-attach web bridge=lab mac=00:16:3e:00:00:07", "one on the switch lab"],
      ["network-attach web hostfwd=tcp::8080-:80", "port 8080 of this host leads to port 80 of the guest"],
    ],
    load: async () => (await import("../commands/network.js")).networkAttach,
  },
  {
    name: "network-detach",
    arguments: "<domain> <vif>",
    summary: "take a network interface from a running domain",
    details: "VIF is its number, MAC address or name. The guest is asked and has ten seconds.",
    options: [{ flags: "--force", text: "do not ask the guest" }],
    examples: [
      ["network-detach web 1", "its second interface"],
      ["network-detach web 00:16:3e:00:00:07", "by address"],
    ],
    load: async () => (await import("../commands/network.js")).networkDetach,
  },
  {
    name: "network-list",
    alias: "vif-list",
    arguments: "<domain...>",
    summary: "the network interfaces of domains",
    details: "State: 2 waiting for the guest's driver, 4 in use, 5 closing, 6 closed.",
    options: [{ flags: "-l, --long", text: "all that is known of them, with counters of each queue, as JSON" }],
    examples: [["network-list web", "with network, addresses and forwarded ports"]],
    load: async () => (await import("../commands/network.js")).networkList,
  },
  {
    name: "network-set",
    arguments: "<domain> <vif> <change...>",
    summary: "pull an interface's cable, limit its rate, or make its line bad",
    details: `CHANGE is one or more of link=up, link=down, rate=10Mb/s, rate=none, delay=20ms, jitter=5ms, loss=1%, duplicate=1%,
reorder=1%, corrupt=1%, and "perfect", which ends all but the first two. Both directions, or one with in. (what the guest
gets) or out. before it: in.loss=5%.`,
    examples: [
      ["network-set web 0 link=down", "as if the cable were pulled"],
      ["network-set web 0 delay=100ms jitter=20ms loss=2%", "a bad radio link"],
      ["network-set web 0 perfect rate=none", "all well again"],
    ],
    load: async () => (await import("../commands/network.js")).networkSet,
  },
  {
    name: "network-capture",
    arguments: "[domain] [vif] [file]",
    summary: "record frames for Wireshark or tcpdump",
    details: `Writes a pcapng file until Ctrl-C; "-" is standard output. VIF is a number, MAC address or name, and may be left out
where there is one. Large segments, which guests pass to each other whole, are recorded whole.`,
    options: [
      { flags: "--network <name>", text: "all of a network, instead of one interface" },
      { flags: "--snaplen <n>", text: "keep so many bytes of each frame", parse: wholeNumber(1, SNAPLEN_MAX) },
      { flags: "--seconds <s>", text: "end by itself", parse: seconds },
    ],
    examples: [
      ["network-capture web web.pcapng", "what its only interface sends and gets"],
      ["network-capture web 1 - | tcpdump -nr -", "the second one's, as text"],
      ["network-capture --network nat out.pcapng", "all that goes out and comes in"],
    ],
    load: async () => (await import("../commands/network-capture.js")).networkCapture,
  },
  {
    name: "relay",
    summary: "open sockets for guests that run in a page",
    details: `A page has no sockets; guests in it reach more than web servers that allow it through a relay (Wisp over WebSocket), until
Ctrl-C. Only pages of this computer may use it, and nothing of its loopback can be reached by it, unless you say otherwise.`,
    options: [
      { flags: "--port <n>", text: "where to listen (default: 8081; 0 is any)", parse: wholeNumber(0, PORT_MAX) },
      { flags: "--host <address>", text: "at which address (default: 127.0.0.1)" },
      { flags: "--token <text>", text: "clients must know it: it is the path of the relay's address" },
      { flags: "--origin <url...>", text: 'pages that may use it, as in https://example.org; "*" is all' },
      { flags: "--allow-host-loopback", text: "guests reach servers of this computer's 127.0.0.1 at 10.0.2.2" },
      { flags: "--no-private-networks", text: "guests reach no private networks (10.0.0.0/8 and the like)" },
    ],
    examples: [
      ["relay", "then open the page with ?relay=ws://127.0.0.1:8081/"],
      ["relay --origin https://example.org --no-private-networks", "for a page that others host"],
    ],
    load: async () => (await import("../commands/relay.js")).relay,
  },
];
