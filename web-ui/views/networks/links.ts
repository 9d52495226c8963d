/** Links of networks to networks elsewhere: joining one, and the list of them with what ends each. */
import type { NetworkInfo, NetworkLink } from "../../../control-plane/api/index.js";
import { describeLinkState, describePeer, formatBytes, joinProblem, type NetworkJoin } from "../../state/index.js";
import { type AppContext, askForm, h } from "../common/index.js";
import { table } from "./tables.js";

const DEFAULT_NETWORK = "lab";

const joinOf = (answers: Readonly<Record<string, string>>): NetworkJoin => ({
  network: answers.network!,
  url: answers.url!,
  token: answers.token === "" ? null : answers.token!,
});

/** Asks which network is to join which; null when the person thought better of it. */
export async function askJoin(): Promise<NetworkJoin | null> {
  const answers = await askForm({
    title: "Join a network elsewhere",
    detail: "Guests on the network here and those on the one there can then talk to each other, as on one cable.",
    fields: [
      { name: "network", label: "Network here", value: DEFAULT_NETWORK, hint: "New domains are on it that name it." },
      {
        name: "url",
        label: "Address",
        hint: "Of xl switch with a network's name, ws://host:8082/lab, or of xl network-serve, ws://host:8082/.",
      },
      { name: "token", label: "Secret", kind: "secret", hint: "Empty where none is wanted." },
    ],
    action: "Join",
    check: (given) => joinProblem(joinOf(given)),
  });
  return answers === null ? null : joinOf(answers);
}

/** Joins, and says so to whoever cannot see it. */
export async function join({ host, announce }: AppContext, { network, url, token }: NetworkJoin): Promise<void> {
  await host.joinNetwork(network, { url, ...(token === null ? {} : { token }) });
  announce(`Network ${network} joins ${url}`);
}

export function linkTable({ name, links }: NetworkInfo, leave: (link: NetworkLink) => void): HTMLElement {
  const rows = links.map((link) => {
    const counters = link.kind === "joined" ? [link.counters] : link.peers.map((peer) => peer.counters);
    const sum = (key: string): string => formatBytes(counters.reduce((total, each) => total + (each[key] ?? 0), 0));
    const label = `Leave link ${link.id} of ${name}`;
    const end = { type: "button", class: "button small quiet", "aria-label": label, onclick: () => leave(link) };
    return [
      String(link.id),
      describePeer(link),
      describeLinkState(link),
      sum("bytesIn"),
      sum("bytesOut"),
      h("button", end, "Leave"),
    ];
  });
  return table("Joined with networks elsewhere", ["Link", "With", "State", "Received", "Sent", "Actions"], rows);
}
