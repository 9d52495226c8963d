/** What a port counts, and why frames are dropped. "In" is from the station into the switch, "out" from the switch to the station. */

/** Reasons, in the order of their numbers. */
export const DROP_NAMES = [
  "runt",
  "long",
  "source",
  "spoofed",
  "address",
  "vlan",
  "reserved",
  "down",
  "hairpin",
  "full",
  "loss",
  "queue",
] as const;
export type DropName = (typeof DROP_NAMES)[number];

export const Drop = {
  /** Shorter than its headers. */
  RUNT: 0,
  /** A VLAN tag would make it longer than a frame can be. */
  LONG: 1,
  /** From a group address, or from none. */
  SOURCE: 2,
  /** From a MAC address that is not the station's. */
  SPOOFED: 3,
  /** From an IP address that the station may not use. */
  ADDRESS: 4,
  /** Of a VLAN that the port does not carry. */
  VLAN: 5,
  /** To an address that bridges keep to themselves: 01:80:c2:00:00:00 to 0f. */
  RESERVED: 6,
  /** The link is down. */
  DOWN: 7,
  /** To an address behind the port that it came from. */
  HAIRPIN: 8,
  /** The station has no room: a frame for several, or it has had none for too long. */
  FULL: 9,
  /** An impairment says so. */
  LOSS: 10,
  /** The queue of an impairment is full. */
  QUEUE: 11,
} as const;
export type Drop = (typeof Drop)[keyof typeof Drop];

export interface PortCounters {
  /** Frames of the station that were taken, those dropped afterwards included. A large segment is one frame. */
  readonly framesIn: number;
  readonly bytesIn: number;
  /** Frames that the station took. */
  readonly framesOut: number;
  readonly bytesOut: number;
  /** Sends that were answered with false, for want of room at the one receiver. */
  readonly refused: number;
  /** Frames dropped on the way in and on the way out, by reason; reasons without any are left out. */
  readonly dropsIn: Readonly<Partial<Record<DropName, number>>>;
  readonly dropsOut: Readonly<Partial<Record<DropName, number>>>;
}

export class Counters {
  framesIn = 0;
  bytesIn = 0;
  framesOut = 0;
  bytesOut = 0;
  refused = 0;
  readonly dropsIn = new Float64Array(DROP_NAMES.length);
  readonly dropsOut = new Float64Array(DROP_NAMES.length);

  plain(): PortCounters {
    const { framesIn, bytesIn, framesOut, bytesOut, refused } = this;
    return {
      framesIn,
      bytesIn,
      framesOut,
      bytesOut,
      refused,
      dropsIn: named(this.dropsIn),
      dropsOut: named(this.dropsOut),
    };
  }
}

function named(counts: Float64Array): Partial<Record<DropName, number>> {
  const drops: Partial<Record<DropName, number>> = {};
  DROP_NAMES.forEach((name, i) => {
    if (counts[i]! > 0) drops[name] = counts[i]!;
  });
  return drops;
}
