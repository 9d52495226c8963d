/** Verbs of links between networks: network-join, network-serve, network-leave. */
import type { JoinedLink, JoinOptions, LinkId, ServeOptions } from "../../api/index.js";
import { usageError } from "../errors.js";
import { print, say } from "../output.js";
import type { RemoteHost } from "../socket/index.js";
import { withHost } from "./with-host.js";

const DEFAULT_PORT = 8082;
/** How long one waits to hear whether a link comes up, and how often one asks, ms. */
const SETTLE_MS = 10_000;
const POLL_MS = 50;

export function networkJoin([network, url]: readonly string[], options: Omit<JoinOptions, "url">): Promise<number> {
  return withHost(async (host) => {
    const id = await host.joinNetwork(network!, { url: url!, ...options });
    const link = await settled(host, id);
    print(link?.state === "up" ? `link ${id}: ${network} is joined to ${link.peer}\n` : `link ${id}\n`);
    const others = (await host.networks()).find(({ name }) => name === network)?.links.length ?? 0;
    if (others > 1) {
      say(`${network} has ${others} links now: networks that are joined in a ring pass broadcasts on without end`);
    }
    if (link !== undefined && link.state !== "up") {
      const reason = link.error ?? "nobody has answered";
      say(`the link is not up yet: ${reason}; it is tried again until "xl network-leave ${id}"`);
    }
    return 0;
  });
}

/** The link once it is up or has failed once, or as it is after a while; undefined when somebody has ended it. */
async function settled(host: RemoteHost, id: LinkId): Promise<JoinedLink | undefined> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const links = (await host.networks()).flatMap((network) => network.links);
    const link = links.find((each): each is JoinedLink => each.id === id && each.kind === "joined");
    if (link === undefined || link.state !== "connecting" || Date.now() > deadline) return link;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

interface ServeVerbOptions extends Partial<Omit<ServeOptions, "origins">> {
  readonly origin?: readonly string[];
}

export function networkServe(
  [network]: readonly string[],
  { port = DEFAULT_PORT, origin, ...options }: ServeVerbOptions,
): Promise<number> {
  return withHost(async (host) => {
    const origins = origin === undefined ? {} : { origins: origin };
    const { id, url } = await host.serveNetwork(network!, { port, ...options, ...origins });
    print(`link ${id}: ${network} is served at ${url}\n`);
    return 0;
  });
}

export function networkLeave([text]: readonly string[]): Promise<number> {
  const number = /^(?:link)?(\d{1,9})$/.exec(text!)?.[1];
  if (number === undefined) throw usageError(`"${text}" is not the number of a link: "xl network" shows them`);
  return withHost(async (host) => {
    await host.leaveNetwork(Number(number) as LinkId);
    return 0;
  });
}
