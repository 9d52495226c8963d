/**
 * Echo requests of guests. The router answers those to itself; a host outside is asked by `Outside.ping`. Where that
 * cannot be found out, the guest is told so by "administratively prohibited": its ping ends at once and says why.
 */
import { formatIp } from "../addresses.js";
import type { Outside } from "../outside/index.js";
import { Icmp, Icmpv6 } from "./codec/icmp.js";
import type { GuestAddress } from "./guests.js";
import type { NatLimits } from "./limits.js";

const TIMEOUT_MS = 5000;

export interface EchoParts {
  readonly outside: Outside;
  readonly limits: NatLimits;
  reply(guest: GuestAddress, source: Uint8Array, message: Uint8Array): void;
  /** `packet` from its IP header on. */
  prohibited(guest: GuestAddress, packet: Uint8Array): void;
}

export class Echo {
  #pings = 0;

  constructor(private readonly parts: EchoParts) {}

  get pings(): number {
    return this.#pings;
  }

  /** `message` is the request, which is kept and becomes the answer; `packet` what an error quotes. */
  ask(guest: GuestAddress, destination: Uint8Array, message: Uint8Array, packet: Uint8Array): void {
    const { limits, outside } = this.parts;
    const { share } = guest.guest;
    if (this.#pings >= limits.pings || share.pings >= limits.pingsPerGuest) return;
    this.#pings++;
    share.pings++;
    const done = (isAlive: boolean | null): void => {
      this.#pings--;
      share.pings--;
      if (isAlive === true) this.parts.reply(guest, destination, echoReply(message, guest.bytes.length));
      else if (isAlive === null) this.parts.prohibited(guest, packet);
    };
    outside.ping(formatIp(destination), TIMEOUT_MS).then(done, () => done(false));
  }
}

/** Makes a request the answer to it; the checksum is the sender's to fill in. */
export function echoReply(message: Uint8Array, addressBytes: number): Uint8Array {
  message[0] = addressBytes === 4 ? Icmp.ECHO_REPLY : Icmpv6.ECHO_REPLY;
  return message;
}
