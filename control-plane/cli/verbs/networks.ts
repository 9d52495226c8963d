/** Verbs about networks: interfaces of domains, and what passes between them. */
import { seconds, wholeNumber } from "./values.js";
import type { Verb, VerbOption } from "./verb.js";

const SNAPLEN_MAX = 262_144;
const PORT_MAX = 65_535;
const VLAN_MAX = 4094;

/** Of verbs at which networks elsewhere can join. */
const LISTENER: readonly VerbOption[] = [
  { flags: "--port <n>", text: "where to listen (default: 8082; 0 is any)", parse: wholeNumber(0, PORT_MAX) },
  {
    flags: "--address <address>",
    text: "at which address (default: 127.0.0.1); one that others reach needs a token",
  },
  { flags: "--token <text>", text: "others must know it" },
  {
    flags: "--origin <url...>",
    text: 'pages that may join, as in https://example.org; "*" is all (default: with a token all, else those of this computer)',
  },
];
const OUR_NAME: VerbOption = {
  flags: "--name <text>",
  text: "what the other side calls us (default: the host's name)",
};
const LINK_VLAN: VerbOption = {
  flags: "--vlan <n>",
  text: "join this VLAN of the network (default: what is in none)",
  parse: wholeNumber(1, VLAN_MAX),
};

export const NETWORK_VERBS: readonly Verb[] = [
  {
    name: "network",
    arguments: "[network]",
    summary: "who is plugged in where, who talks to whom, and links to networks elsewhere",
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
    name: "network-join",
    arguments: "<network> <url>",
    summary: "make one network of a network here and one elsewhere",
    details: `URL is where another host serves a network (xl network-serve), or the address of a switch (xl switch) with the
network's name there as its path. The link comes back after any interruption, until "xl network-leave"; "xl network" shows
how it is. Do not join three networks or more in a ring: what is for all would go round without end. "nat" cannot join, but its guests can have one more interface: xl network-attach web bridge=lab.`,
    options: [{ flags: "--token <text>", text: "the secret that the other side wants" }, LINK_VLAN, OUR_NAME],
    examples: [
      ["network-join lab ws://there.example:8082/", "guests on lab, and those on what there.example serves"],
      ["network-join lab wss://switch.example/lab --token s3cret", "at a switch behind a web server that has TLS"],
    ],
    load: async () => (await import("../commands/network-links.js")).networkJoin,
  },
  {
    name: "network-serve",
    arguments: "<network>",
    summary: "let networks elsewhere join one here",
    details: `Listens for "xl network-join" of other hosts and for pages, until "xl network-leave". What passes is neither encrypted
nor signed: across a net that you do not trust, put a web server with TLS before it. "nat" can be served by a host that
runs with --no-host-loopback: guests elsewhere then go out through this one.`,
    options: [...LISTENER, LINK_VLAN, OUR_NAME],
    examples: [
      ["network-serve lab", "for other hosts and pages on this computer"],
      ["network-serve lab --address 0.0.0.0 --token s3cret", "for everybody who knows the token"],
    ],
    load: async () => (await import("../commands/network-links.js")).networkServe,
  },
  {
    name: "network-leave",
    arguments: "<link>",
    summary: "end a link of network-join or network-serve",
    details: 'LINK is its number, as "xl network" shows it.',
    examples: [["network-leave 1", "link 1"]],
    load: async () => (await import("../commands/network-links.js")).networkLeave,
  },
  {
    name: "switch",
    summary: "a switch at which networks of pages and hosts elsewhere meet",
    details: `Needs no running host: two pages join one network by it, until Ctrl-C. The path of its address names the network: who
joins ws://.../lab hears all others there. Unknown names make a network, which is gone with the last who leaves.`,
    options: LISTENER,
    examples: [
      ["switch", "then open two pages with ?join=ws://127.0.0.1:8082/lab"],
      ["switch --address 0.0.0.0 --token s3cret", "for everybody who knows the token"],
    ],
    load: async () => (await import("../commands/switch.js")).runSwitch,
  },
  {
    name: "relay",
    summary: "open sockets for guests that run in a page",
    details: `A page has no sockets; guests in it reach more than web servers that allow it through a relay (Wisp over WebSocket), until
Ctrl-C. Only pages of this computer may use it, and nothing of its loopback can be reached by it, unless you say otherwise.`,
    options: [
      { flags: "--port <n>", text: "where to listen (default: 8081; 0 is any)", parse: wholeNumber(0, PORT_MAX) },
      { flags: "--address <address>", text: "at which address (default: 127.0.0.1)" },
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
