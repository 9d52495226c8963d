/**
 * What guests can make the network hold, at most. Beyond it the oldest goes or the new is refused; nothing grows. "Per guest" is
 * per interface, however many MACs it speaks as; only what comes by a link from elsewhere is told apart by MACs.
 */
export interface NatLimits {
  /** Guests known by their MACs, and addresses of each. */
  readonly guests: number;
  readonly addressesPerGuest: number;
  /** Addresses that DHCP gives to one guest, whatever it calls itself. */
  readonly leasesPerGuest: number;
  /** Ports with a socket outside, in all and of one guest. */
  readonly flows: number;
  readonly flowsPerGuest: number;
  /** Echo requests on their way, in all and of one guest. */
  readonly pings: number;
  readonly pingsPerGuest: number;
  /** Bytes and datagrams of unfinished fragments, in all and of one guest. */
  readonly fragmentBytes: number;
  readonly fragmentBytesPerGuest: number;
  readonly datagrams: number;
  readonly datagramsPerGuest: number;
  /** Names being looked up, and those who wait for one of them. */
  readonly lookups: number;
  readonly lookupsPerGuest: number;
  readonly waitersPerLookup: number;
  /** Answers remembered. */
  readonly cachedNames: number;
  /** Frames held until their receiver's MAC is known. */
  readonly heldFrames: number;
  /** Senders outside that a UDP forward remembers. */
  readonly forwardPeers: number;
}

export const NAT_LIMITS: NatLimits = {
  guests: 512,
  addressesPerGuest: 16,
  leasesPerGuest: 64,
  flows: 1024,
  flowsPerGuest: 256,
  pings: 256,
  pingsPerGuest: 32,
  fragmentBytes: 4 << 20,
  fragmentBytesPerGuest: 512 << 10,
  datagrams: 128,
  datagramsPerGuest: 16,
  lookups: 128,
  lookupsPerGuest: 32,
  waitersPerLookup: 32,
  cachedNames: 512,
  heldFrames: 32,
  forwardPeers: 256,
};
