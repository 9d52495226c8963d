/** The user-mode network behind the switch "nat". */
import type { Outside, Switch, Timer } from "../net/index.js";
import type { Clock, LogRing, Random } from "../util/index.js";
import type { MakeUserNetwork } from "./networks.js";

export interface NatParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
  readonly log: LogRing;
  /** Null: nothing outside can be reached from here. */
  readonly outside: Outside | null;
  readonly hostLoopback: boolean;
}

export function natNetwork(_parts: NatParts): MakeUserNetwork {
  return (_network: Switch) => ({
    reserve: () => null,
    addressesOf: () => [],
    forward: () => Promise.reject(new Error("there is no way out")),
    forget: () => {},
    info: () => ({ limits: null, leases: [], connections: [], counters: {} }),
    close: () => {},
  });
}
