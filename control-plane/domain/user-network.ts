/** What a domain's interfaces ask of the user-mode network, which stands behind a switch like any other. */
import type { NatInfo, PortForward } from "../api/types.js";

/** A port of the host that leads to a guest. */
export interface OpenForward {
  /** The one that was given when 0 was asked for. */
  readonly port: number;
  close(): void;
}

/** Guests are known by their MAC addresses, as texts. */
export interface UserNetwork {
  /** Gives `mac` this address and no other; what is wrong with it, or null. */
  reserve(mac: string, address: string): string | null;
  /** What it gave to a guest, and what it saw it use. */
  addressesOf(mac: string): readonly string[];
  /** Rejects with a message for people. */
  forward(mac: string, forward: PortForward): Promise<OpenForward>;
  /** The guest is gone, with all that it has open. */
  forget(mac: string): void;
  info(): Omit<NatInfo, "hostLoopback">;
  close(): void;
}
