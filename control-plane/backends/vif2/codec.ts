/**
 * Netchannel2's messages as they lie in the rings. Offsets are only here. Layouts are those of netchannel2.h where it has
 * them; README.md says what is ours.
 */

/** NETCHANNEL2_MSG_*; an open set. */
export const Message = {
  SET_MAX_PACKETS: 1,
  PACKET: 2,
  FINISH_PACKET: 3,
  SET_OFFLOAD: 4,
  SET_MAX_FRAGMENTS: 5,
  BYPASS_FRONTEND: 9,
  BYPASS_BACKEND: 10,
  BYPASS_FRONTEND_READY: 11,
  BYPASS_READY: 12,
  BYPASS_DISABLE: 13,
  BYPASS_DISABLED: 14,
  BYPASS_DETACH: 15,
  BYPASS_DETACHED: 16,
  SUGGEST_BYPASS: 17,
  PAD: 255,
} as const;

/** NC2_PACKET_TYPE_*. */
export const PacketKind = { RECEIVER_COPY: 1, SMALL: 4 } as const;
/** NC2_PACKET_FLAG_*. */
export const PacketFlag = { CSUM_BLANK: 1, DATA_VALIDATED: 2 } as const;
/** NC2_PACKET_SEGMENTATION_TYPE_*; TCPV6 is ours. */
export const Segmentation = { NONE: 0, TCPV4: 1, TCPV6: 2 } as const;

export const HEADER_BYTES = 8;
export const PACKET_BYTES = 20;
export const FRAGMENT_BYTES = 8;
/** Fragments of a packet that we take: 64 KiB in three pieces that begin within pages. */
export const MOST_FRAGMENTS = 19;
/** What a packet's message holds besides its bytes. */
export const MOST_PACKET_HEAD = PACKET_BYTES + MOST_FRAGMENTS * FRAGMENT_BYTES;
/** The longest frame that fits into one message, whose size has 16 bits. */
export const MOST_INLINE = 65528 - PACKET_BYTES;
export const MAC_BYTES = 6;

const PAGE_BYTES = 4096;
const PORT_AT = 4;
const RING_DOMID_AT = 8;
const PEER_DOMID_AT = 10;
const HANDLE_AT = 12;
const MAC_AT = 16;
const PAGES_AT = 23;
const CONTROL_REF_AT = 24;
const REFS_AT = 32;
const READY_HANDLE_AT = 8;
const READY_CONTROL_AT = 12;
const READY_REFS_AT = 16;
const SUGGESTED_MAC_AT = 4;

/** Bytes that a message of that size takes up. */
export const occupied = (size: number): number => (size + 7) & ~7;

/** A PACKET, filled anew each time it is used. */
export class PacketMessage {
  id = 0;
  kind = 0;
  flags = 0;
  segmentation = 0;
  prefix = 0;
  mss = 0;
  csumStart = 0;
  csumOffset = 0;
  fragments = 0;
  readonly sizes = new Uint16Array(MOST_FRAGMENTS);
  readonly offsets = new Uint16Array(MOST_FRAGMENTS);
  readonly refs = new Uint32Array(MOST_FRAGMENTS);

  /** Where in the message the inline bytes begin. */
  get prefixAt(): number {
    return PACKET_BYTES + this.fragments * FRAGMENT_BYTES;
  }
}

/** Reads a message of `size` bytes, whose head is in `view`; what is wrong with it, or null. */
export function readPacket(view: DataView, size: number, message: PacketMessage): string | null {
  if (size < PACKET_BYTES) return "a packet without a head";
  message.id = view.getUint32(4, true);
  message.kind = view.getUint8(8);
  message.flags = view.getUint8(9);
  message.segmentation = view.getUint8(10);
  message.prefix = view.getUint16(12, true);
  message.mss = view.getUint16(14, true);
  message.csumStart = view.getUint16(16, true);
  message.csumOffset = view.getUint16(18, true);
  const rest = size - PACKET_BYTES - message.prefix;
  message.fragments = rest / FRAGMENT_BYTES;
  if (rest < 0 || rest % FRAGMENT_BYTES !== 0) return "a packet whose prefix is not in it";
  if (message.fragments > MOST_FRAGMENTS) return `a packet of ${message.fragments} fragments`;
  if (message.kind !== (message.fragments === 0 ? PacketKind.SMALL : PacketKind.RECEIVER_COPY))
    return `a packet of kind ${message.kind} with ${message.fragments} fragments`;
  for (let index = 0; index < message.fragments; index++) {
    const at = PACKET_BYTES + index * FRAGMENT_BYTES;
    const bytes = view.getUint16(at, true);
    const offset = view.getUint16(at + 2, true);
    if (bytes === 0 || offset + bytes > PAGE_BYTES) return "a fragment that is not in a page";
    message.sizes[index] = bytes;
    message.offsets[index] = offset;
    message.refs[index] = view.getUint32(at + 4, true);
  }
  return null;
}

/** Writes a packet's head with its fragments; answers the message's size. */
export function writePacket(view: DataView, message: PacketMessage): number {
  const size = message.prefixAt + message.prefix;
  writeHeader(view, Message.PACKET, size);
  view.setUint32(4, message.id, true);
  view.setUint8(8, message.kind);
  view.setUint8(9, message.flags);
  view.setUint8(10, message.segmentation);
  view.setUint8(11, 0);
  view.setUint16(12, message.prefix, true);
  view.setUint16(14, message.mss, true);
  view.setUint16(16, message.csumStart, true);
  view.setUint16(18, message.csumOffset, true);
  for (let index = 0; index < message.fragments; index++) {
    const at = PACKET_BYTES + index * FRAGMENT_BYTES;
    view.setUint16(at, message.sizes[index]!, true);
    view.setUint16(at + 2, message.offsets[index]!, true);
    view.setUint32(at + 4, message.refs[index]!, true);
  }
  return size;
}

export function writeHeader(view: DataView, type: number, size: number): void {
  view.setUint8(0, type);
  view.setUint8(1, 0);
  view.setUint16(2, size, true);
}

/** A message of one number. */
export function writeNumber(view: DataView, type: number, value: number): void {
  writeHeader(view, type, HEADER_BYTES);
  view.setUint32(4, value, true);
}

export const readNumber = (view: DataView): number => view.getUint32(4, true);

function message(size: number, type: number): { readonly bytes: Uint8Array; readonly view: DataView } {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  writeHeader(view, type, size);
  return { bytes, view };
}

export function numberMessage(type: number, value: number): Uint8Array {
  const { bytes, view } = message(HEADER_BYTES, type);
  writeNumber(view, type, value);
  return bytes;
}

/** What the sender of the message takes: blank checksums, and large segments. */
export interface Offload {
  readonly csum: boolean;
  readonly tcpv4: boolean;
  readonly tcpv6: boolean;
}

export function offloadMessage({ csum, tcpv4, tcpv6 }: Offload): Uint8Array {
  const { bytes } = message(HEADER_BYTES, Message.SET_OFFLOAD);
  bytes.set([csum, tcpv4, tcpv6].map(Number), 4);
  return bytes;
}

/** Large segments have blank checksums. */
export function readOffload(view: DataView): Offload {
  const csum = view.getUint8(4) !== 0;
  return { csum, tcpv4: csum && view.getUint8(5) !== 0, tcpv6: csum && view.getUint8(6) !== 0 };
}

/** What a guest is told of the other guest of a bypass. */
export interface Introduction {
  readonly handle: number;
  readonly peerDomid: number;
  readonly peerMac: Uint8Array;
  /** Pages of a ring in one direction. */
  readonly pages: number;
}

/** A ring that a guest has made for the other. */
export interface LentRing {
  readonly port: number;
  readonly controlRef: number;
  /** Of the pages that the lender writes to, then of those that it reads. */
  readonly refs: readonly number[];
}

/** BYPASS_FRONTEND, or, with a ring to be mapped, BYPASS_BACKEND. */
export function introductionMessage(to: Introduction, ring?: LentRing): Uint8Array {
  const refs = ring?.refs ?? [];
  const { bytes, view } = message(
    REFS_AT + refs.length * 4,
    ring === undefined ? Message.BYPASS_FRONTEND : Message.BYPASS_BACKEND,
  );
  view.setUint32(PORT_AT, ring?.port ?? 0, true);
  view.setUint16(RING_DOMID_AT, to.peerDomid, true);
  view.setUint16(PEER_DOMID_AT, to.peerDomid, true);
  view.setUint32(HANDLE_AT, to.handle, true);
  bytes.set(to.peerMac, MAC_AT);
  view.setUint8(PAGES_AT, to.pages);
  view.setUint32(CONTROL_REF_AT, ring?.controlRef ?? 0, true);
  refs.forEach((ref, index) => {
    view.setUint32(REFS_AT + index * 4, ref, true);
  });
  return bytes;
}

/** The answer to BYPASS_FRONTEND; a negative port is a refusal, and null is nonsense. */
export function readFrontendReady(bytes: Uint8Array): { readonly handle: number; readonly ring: LentRing } | null {
  if (bytes.length < READY_REFS_AT) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const refs: number[] = [];
  for (let at = READY_REFS_AT; at + 4 <= bytes.length; at += 4) refs.push(view.getUint32(at, true));
  const ring = { port: view.getInt32(PORT_AT, true), controlRef: view.getUint32(READY_CONTROL_AT, true), refs };
  return { handle: view.getUint32(READY_HANDLE_AT, true), ring };
}

export function frontendReadyMessage(handle: number, ring: LentRing): Uint8Array {
  const { bytes, view } = message(READY_REFS_AT + ring.refs.length * 4, Message.BYPASS_FRONTEND_READY);
  view.setInt32(PORT_AT, ring.port, true);
  view.setUint32(READY_HANDLE_AT, handle, true);
  view.setUint32(READY_CONTROL_AT, ring.controlRef, true);
  ring.refs.forEach((ref, index) => {
    view.setUint32(READY_REFS_AT + index * 4, ref, true);
  });
  return bytes;
}

/** The address of a SUGGEST_BYPASS; null when the message is too short for one. */
export const readSuggestion = (bytes: Uint8Array): Uint8Array | null =>
  bytes.length < SUGGESTED_MAC_AT + MAC_BYTES ? null : bytes.subarray(SUGGESTED_MAC_AT, SUGGESTED_MAC_AT + MAC_BYTES);

export function suggestionMessage(mac: Uint8Array): Uint8Array {
  const { bytes } = message(SUGGESTED_MAC_AT + MAC_BYTES, Message.SUGGEST_BYPASS);
  bytes.set(mac, SUGGESTED_MAC_AT);
  return bytes;
}
