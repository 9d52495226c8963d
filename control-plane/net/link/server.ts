/** The server's end of links, as those who start one see it; `link-node.ts` is the one that there is. */
import type { Timer } from "../capture/index.js";
import type { Station, Wire } from "../station.js";
import type { LinkCounters } from "./connection.js";
import type { Hello } from "./protocol.js";

export interface LinkServerOptions {
  /** What the others call us. */
  readonly name: string;
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Others must know it. */
  readonly token?: string;
  /**
   * Pages of these origins may connect, "*" is all. Without a list, any page that knows the token may; where there is no
   * token, those of this computer, or every page that somebody has open could get into the network. Programs send no
   * origin.
   */
  readonly origins?: readonly string[];
  readonly connections?: number;
  /** Takes no large segments when false. */
  readonly large?: boolean;
  readonly log?: (line: string) => void;
}

/** A wire into a switch, and what its end there is called. */
export type NamedWire = Wire & { readonly name: string };

/** What somebody who comes is plugged into. */
export interface LinkNetwork {
  /** For people. */
  readonly name: string;
  /** As in hellos. */
  readonly id: string;
  /** A sentence that says why this peer is not wanted, or null. */
  refuse(peer: Hello): string | null;
  /** Plugs the station of somebody who has come. It is unplugged when they go. */
  plug(station: Station): NamedWire;
}

export interface LinkServerParts {
  readonly timer: Timer;
  /** The network that is asked for by the path of the address, or a sentence that says why there is none. */
  readonly networkAt: (path: string) => LinkNetwork | string;
}

export interface LinkPeer {
  readonly name: string;
  readonly address: string;
  /** Of its port. */
  readonly port: string;
  /** As in its hello. */
  readonly network: string;
  readonly counters: Readonly<LinkCounters>;
}

export interface LinkServer {
  readonly port: number;
  readonly url: string;
  peers(): LinkPeer[];
  close(): Promise<void>;
}

/** Listens for links; rejects with words for people when it cannot. */
export type ServeLink = (options: LinkServerOptions, parts: LinkServerParts) => Promise<LinkServer>;

/** Why such a server would be open to people that nobody thought of, or null. */
export function whyTooOpen({ host, token }: Pick<LinkServerOptions, "host" | "token">): string | null {
  const isOfThisComputer = /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host);
  return isOfThisComputer || token !== undefined ? null : `whoever reaches ${host} could join`;
}

/** What to do about it. */
export const LESS_OPEN = "give a token that others must know, or listen at 127.0.0.1";
