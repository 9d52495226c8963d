/** What people ask of links between networks, checked. */
import {
  isAddress,
  LINK_NAME_MAX,
  LINK_TOKEN_MAX,
  linkUrlProblem,
  NETWORK_NAME,
  PORT_MAX,
  USER_NETWORK,
  VLAN_MAX,
} from "../api/limits.js";
import type { JoinOptions, LinkId, ServedNetwork, ServeOptions } from "../api/types.js";
import { LESS_OPEN, whyTooOpen } from "../net/index.js";
import { err, ok } from "../util/index.js";
import type { LinkHost } from "./links.js";
import type { Toolstack, ToolstackResult } from "./toolstack.js";

const LOOPBACK = "127.0.0.1";

export function joinNetwork(toolstack: Toolstack, name: string, options: JoinOptions): ToolstackResult<LinkId> {
  const wrong = checkCommon(name, options) ?? checkUrl(options.url);
  if (wrong !== null) return err("bad-config", wrong);
  if (name === USER_NETWORK) {
    const problem = `"${name}" leads out by itself, and two ways out on one cable give the same addresses`;
    return err("bad-config", problem, "join with a network of another name");
  }
  const host = linkHost(toolstack);
  if (!host.ok) return host;
  const { networks } = toolstack.context.vifs;
  const url = new URL(options.url).href;
  const network = networks.hold(name);
  if (networks.links.hasJoined(network, url, options.vlan)) {
    network.release();
    return err("bad-state", `"${name}" has joined ${url} already`, "leave it first");
  }
  return ok(networks.links.join(host.value, network, { ...options, url }));
}

export async function serveNetwork(
  toolstack: Toolstack,
  name: string,
  options: ServeOptions,
): Promise<ToolstackResult<ServedNetwork>> {
  const wrong = checkCommon(name, options) ?? checkListener(options);
  if (wrong !== null) return err("bad-config", wrong);
  const open = whyTooOpen({ ...options, host: options.address ?? LOOPBACK });
  if (open !== null) return err("bad-config", open, LESS_OPEN);
  const { networks } = toolstack.context.vifs;
  if (networks.leadsToLoopback(name)) {
    const problem = `who joins "${name}" would reach servers of this host's loopback`;
    return err(
      "bad-config",
      problem,
      "start the machine with --no-host-loopback (hostLoopback: false), or serve another",
    );
  }
  const host = linkHost(toolstack);
  if (!host.ok) return host;
  const { serve } = host.value;
  if (serve === null) {
    return err("unsupported", "a page cannot be listened at", 'join one that "xl switch" or another host serves');
  }
  const network = networks.hold(name);
  try {
    return ok(await networks.links.serve(serve, network, options.name ?? host.value.name, options));
  } catch (error) {
    network.release();
    return err("denied", (error as Error).message);
  }
}

export async function leaveNetwork(toolstack: Toolstack, id: LinkId): Promise<ToolstackResult<void>> {
  const { links } = toolstack.context.vifs.networks;
  if (await links.leave(id)) return ok(undefined);
  const ids = links.ids();
  return err(
    "not-found",
    `there is no link ${id}: ${ids.length === 0 ? "there is none" : `there is ${ids.join(", ")}`}`,
  );
}

function linkHost(toolstack: Toolstack): ToolstackResult<LinkHost> {
  if (toolstack.deterministic) {
    return err("unsupported", "a deterministic machine has no links: what comes from elsewhere comes when it comes");
  }
  const { host } = toolstack.context.vifs.networks.links;
  return host === null ? err("unsupported", "this host opens no connections for links") : ok(host);
}

function checkCommon(network: string, options: JoinOptions | ServeOptions): string | null {
  if (typeof network !== "string" || !NETWORK_NAME.test(network)) {
    return `network "${network}": 1 to 64 letters, digits and _ . : - are allowed`;
  }
  if (typeof options !== "object" || options === null) return "link: there are no options";
  const { token, name, vlan } = options;
  if (!isText(token, LINK_TOKEN_MAX)) return `link: the token is not a text of 1 to ${LINK_TOKEN_MAX} characters`;
  if (!isText(name, LINK_NAME_MAX)) return `link: the name is not a text of 1 to ${LINK_NAME_MAX} characters`;
  return vlan === undefined || isWhole(vlan, 1, VLAN_MAX) ? null : `link: vlan ${vlan} is not from 1 to ${VLAN_MAX}`;
}

function checkUrl(url: unknown): string | null {
  return typeof url === "string" ? linkUrlProblem(url) : "link: there is no address";
}

function checkListener({ address, port, origins }: ServeOptions): string | null {
  if (address !== undefined && !(typeof address === "string" && isAddress(address))) {
    return `link: "${address}" is no address`;
  }
  if (!isWhole(port, 0, PORT_MAX)) return `link: port ${port} is not from 0 to ${PORT_MAX}`;
  if (origins === undefined) return null;
  if (!Array.isArray(origins)) return "link: origins is not a list";
  const wrong = origins.find((origin) => origin !== "*" && !isOrigin(origin));
  return wrong === undefined ? null : `link: origin "${wrong}" is not as in https://example.org, nor "*"`;
}

const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;

/** Absent, or a text of some length. */
const isText = (value: unknown, most: number): boolean =>
  value === undefined || (typeof value === "string" && value.length >= 1 && value.length <= most);

const isOrigin = (text: unknown): boolean =>
  typeof text === "string" && /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
