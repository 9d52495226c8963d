/**
 * A switch without guests, in Node, at which networks of machines elsewhere meet: the path of the address names the
 * network. One is there as long as somebody has joined it.
 */
import { type LinkNetwork, type LinkServer, Switch, type SwitchParts } from "../net/index.js";
import { serveLink } from "../net/link/link-node.js";

export interface StartSwitchOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly token?: string;
  /** As of `LinkServerOptions`. */
  readonly origins?: readonly string[];
  /** Most networks at a time. */
  readonly networks?: number;
  readonly log?: (line: string) => void;
}

const OUR_NAME = "xl switch";
const MOST_NETWORKS = 64;
const MOST_CONNECTIONS = 256;
/** So that it fits into a hello, behind a word that no other switch has. */
const NAME = /^[A-Za-z0-9_.:-]{1,32}$/;

/** Listens; rejects with words for people when it cannot. */
export function startSwitch({ networks = MOST_NETWORKS, ...options }: StartSwitchOptions): Promise<LinkServer> {
  const meetings = new Meetings(networks);
  const networkAt = (path: string) => meetings.at(path);
  return serveLink({ name: OUR_NAME, connections: MOST_CONNECTIONS, ...options }, { timer, networkAt });
}

const timer: SwitchParts["timer"] = (ms, work) => {
  const handle = setTimeout(work, ms);
  return () => clearTimeout(handle);
};
const clock: SwitchParts["clock"] = { now: () => performance.now() * 1e6 };
const random: SwitchParts["random"] = { u32: () => crypto.getRandomValues(new Uint32Array(1))[0]! };

class Meetings {
  readonly #switches = new Map<string, Switch>();
  /** What no other switch's networks begin with. */
  readonly #word = [random.u32(), random.u32()].map((part) => part.toString(16).padStart(8, "0")).join("");

  constructor(private readonly most: number) {}

  /** What a path names, or why nothing. */
  at(path: string): LinkNetwork | string {
    const name = nameOf(path);
    if (name === "") return "the address names no network: add a name, as in ws://host:8082/lab";
    if (!NAME.test(name)) return "the network's name is not 1 to 32 letters, digits and _ . : -";
    return {
      name,
      id: `${this.#word}.${name}`,
      refuse: () => this.#refuse(name),
      plug: (station) => {
        const meeting = this.#meeting(name);
        const port = meeting.plug(station);
        return {
          name: port.name,
          send: (packet) => port.send(packet),
          settle: () => port.settle(),
          room: () => port.room(),
          unplug: () => {
            port.unplug();
            if (meeting.ports.length === 0 && this.#switches.get(name) === meeting) this.#switches.delete(name);
          },
        };
      },
    };
  }

  #refuse(name: string): string | null {
    if (this.#switches.has(name) || this.#switches.size < this.most) return null;
    return `there are ${this.most} networks here already, and no more may be made`;
  }

  #meeting(name: string): Switch {
    const known = this.#switches.get(name);
    if (known !== undefined) return known;
    const made = new Switch({ name, clock, timer, random });
    this.#switches.set(name, made);
    return made;
  }
}

/** "/lab" and "/lab/" are lab. */
function nameOf(path: string): string {
  try {
    return decodeURIComponent(path.replace(/^\/|\/$/g, ""));
  } catch {
    return path;
  }
}
