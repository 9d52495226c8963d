/**
 * VLANs of a port, and the tag of [IEEE-802.1Q] in a frame.
 *
 * A port is of one of three kinds. An *access* port belongs to one VLAN, and its station sees no tags. A *trunk* carries
 * several: VLAN 0 without a tag, the others with one. A *plain* port, which is neither, belongs to VLAN 0; tags of its
 * frames are data, and such a frame only reaches other plain ports.
 */
import { EtherType } from "../offload/index.js";
import { MOST_FRAME_BYTES, type Packet } from "../packet.js";

/** How the frame at hand says which VLAN it is of. */
export const Tagging = {
  /** It does not: the port does. */
  NONE: 0,
  /** By a tag. */
  TAGGED: 1,
  /** It has a tag for its priority, of VLAN 0. */
  PRIORITY: 2,
  /** It has a tag that is data here. */
  DATA: 3,
} as const;
export type Tagging = (typeof Tagging)[keyof typeof Tagging];

export interface VlanOptions {
  /** Access port of this VLAN, 1 to 4094. */
  readonly vlan?: number;
  /** Trunk of these VLANs, 0 for frames without a tag; true: of all. */
  readonly trunk?: true | readonly number[];
}

export const TAG_BYTES = 4;
/** The VLAN's number in a tag. */
export const VID_MASK = 0xfff;
const MOST_VLAN = 4094;
const isVlan = (n: number, least: number): boolean => Number.isInteger(n) && n >= least && n <= MOST_VLAN;

export class PortVlans {
  /** Of frames without a tag. */
  readonly own: number;
  readonly isTrunk: boolean;
  /** By number, of a trunk. */
  readonly #carried: Uint8Array | null;

  /** Throws when a number is none of a VLAN. */
  constructor({ vlan, trunk }: VlanOptions) {
    if (vlan !== undefined && trunk !== undefined) throw new RangeError("a port has one VLAN or is a trunk, not both");
    if (vlan !== undefined && !isVlan(vlan, 1)) throw new RangeError(`VLAN ${vlan} is not from 1 to ${MOST_VLAN}`);
    this.own = vlan ?? 0;
    this.isTrunk = trunk !== undefined;
    this.#carried = trunk === undefined ? null : new Uint8Array(VID_MASK + 1);
    if (trunk === true) this.#carried!.fill(1, 0, MOST_VLAN + 1);
    for (const n of trunk === true ? [] : (trunk ?? [])) {
      if (!isVlan(n, 0)) throw new RangeError(`VLAN ${n} is not from 0 to ${MOST_VLAN}`);
      this.#carried![n] = 1;
    }
  }

  /** How a frame that came in here with a tag of VLAN `vid` is to be read; null: it may not come in. */
  taggingOf(vid: number): Tagging | null {
    if (this.#carried !== null) {
      if (this.#carried[vid] === 0) return null;
      return vid === 0 ? Tagging.PRIORITY : Tagging.TAGGED;
    }
    if (vid === 0) return Tagging.PRIORITY;
    return this.own === 0 ? Tagging.DATA : null;
  }

  /** Whether a frame may leave here. */
  admits(vlan: number, tagging: Tagging): boolean {
    if (this.#carried !== null) return this.#carried[vlan] === 1 && tagging !== Tagging.DATA;
    return this.own === vlan;
  }

  /** Whether a frame that may leave here must be changed for it. */
  changes(vlan: number, tagging: Tagging): boolean {
    if (vlan === 0) return false;
    return this.isTrunk ? tagging !== Tagging.TAGGED : tagging === Tagging.TAGGED;
  }
}

/** A copy of the frame with the tag inserted, changed or taken out, as `changes` asks for; null when it becomes too long. */
export function retag(packet: Packet, vlan: number, tagging: Tagging): Uint8Array | null {
  const { length, headerView } = packet;
  const hasTag = tagging !== Tagging.NONE;
  const givesTag = tagging !== Tagging.TAGGED;
  const rest = hasTag ? 12 + TAG_BYTES : 12;
  const start = givesTag ? 12 + TAG_BYTES : 12;
  const size = start + length - rest;
  if (size > MOST_FRAME_BYTES) return null;
  const copy = new Uint8Array(size);
  packet.copyTo(copy, 0, 0, 12);
  packet.copyTo(copy, start, rest, length - rest);
  if (givesTag) {
    const priority = hasTag ? headerView.getUint16(14) & ~VID_MASK : 0;
    const view = new DataView(copy.buffer);
    view.setUint16(12, EtherType.VLAN);
    view.setUint16(14, priority | vlan);
  }
  return copy;
}
