/** What the parts of the engine share. */

import type { Connection } from "./connection.js";
import type { TcpLimits } from "./limits.js";
import type { Shares } from "./shares.js";
import type { TcpCounters, TcpParts } from "./types.js";

const NS_PER_MS = 1e6;
const IPV4_AND_TCP_BYTES = 40;
const IPV6_AND_TCP_BYTES = 60;

export class Context {
  readonly counters: TcpCounters = {
    segments: 0,
    malformed: 0,
    opened: 0,
    refused: 0,
    crowded: 0,
    resets: 0,
    retransmissions: 0,
    timeouts: 0,
    fastRecoveries: 0,
    outOfOrder: 0,
    pruned: 0,
    challenges: 0,
    oldStamps: 0,
    probes: 0,
    keepAlives: 0,
    gaveUp: 0,
  };
  /** Of our windows: the least that can say the largest. [RFC 7323] 2.3 */
  readonly scale: number;
  /** Where our time stamps begin; one for all, so that they go on from one connection to the next of the same ends. */
  readonly #stampBase: number;

  constructor(
    readonly parts: TcpParts,
    readonly limits: TcpLimits,
    readonly shares: Shares<Connection>,
  ) {
    let scale = 0;
    while (scale < 14 && 0xffff * 2 ** scale < limits.window) scale++;
    this.scale = scale;
    this.#stampBase = parts.random.u32() | 0;
  }

  nowMs(): number {
    return this.parts.clock.now() / NS_PER_MS;
  }

  /** Our clock for time stamps: milliseconds. */
  stamp(): number {
    return (Math.floor(this.nowMs()) + this.#stampBase) | 0;
  }

  /** What we tell guests to send. */
  mssOf(address: Uint8Array): number {
    return this.limits.mtu - (address.length === 4 ? IPV4_AND_TCP_BYTES : IPV6_AND_TCP_BYTES);
  }

  /** Counts bytes that a connection holds, or lets go of. */
  hold(c: Connection, bytes: number): void {
    c.held += bytes;
    this.shares.hold(c.guest, bytes);
  }
}
