/** Networks of this page that join networks elsewhere: how a person says so, and how it goes in words. */
import { linkUrlProblem, type NetworkLink } from "../../control-plane/api/index.js";
import { formatCount } from "./format.js";
import { NAT, networkNameProblem } from "./network-names.js";

/** A network here that is to join one elsewhere. */
export interface NetworkJoin {
  readonly network: string;
  readonly url: string;
  /** The secret that the other side wants, if it wants one. */
  readonly token: string | null;
}

/** What is wrong with it, as a sentence, or null. */
export function joinProblem({ network, url }: NetworkJoin): string | null {
  const problem = networkNameProblem(network);
  if (problem !== null) return problem;
  if (network === NAT) return "nat leads out by itself and joins nothing. Name another network, as in lab.";
  const wrong = linkUrlProblem(url);
  return wrong === null ? null : `${wrong[0]!.toUpperCase()}${wrong.slice(1)}.`;
}

/** "lab@ws://host:8082/", or "ws://host:8082/lab", whose path names the network here as well as there. */
export function parseJoin(text: string, token: string | null): NetworkJoin | null {
  const match = /^(?:([^@/:]+)@)?(wss?:\/\/.+)$/i.exec(text);
  if (match === null || !URL.canParse(match[2]!)) return null;
  const { href, pathname } = new URL(match[2]!);
  const network = match[1] ?? pathname.split("/").filter(Boolean).at(-1) ?? "";
  const join = { network, url: href, token };
  return joinProblem(join) === null ? join : null;
}

/** Who is at the other end of a link. */
export function describePeer(link: NetworkLink): string {
  if (link.kind === "served") return link.peers.map(({ name }) => name).join(", ");
  return link.peer === null ? link.url : `${link.peer}, ${link.url}`;
}

/** How a link is. */
export function describeLinkState(link: NetworkLink): string {
  if (link.kind === "served") return `${formatCount(link.peers.length, "network")} joined at ${link.url}`;
  if (link.state === "waiting") return `tried again soon: ${link.error ?? "it was not reached"}`;
  return link.state;
}
