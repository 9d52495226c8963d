/**
 * Cuts a large TCP packet into what travels on a wire, for those who take no large ones. The payload stays where it is: a
 * segment has a header of its own and the large packet's bytes behind it.
 */
import type { MachineMemory } from "../../core-link/index.js";
import { GsoType, Packet } from "../packet.js";
import { sumView } from "../sum.js";
import { pseudoSum } from "./checksum.js";
import { Headers, IpProtocol, parseHeaders } from "./headers.js";

const IPV6_BYTES = 40;
const FLAG_FIN = 0x01;
const FLAG_PSH = 0x08;
const FLAG_CWR = 0x80;
/** Flags that only the last segment has; the first alone has CWR. [RFC 3168] 6.1.2 */
const LAST_FLAGS = FLAG_FIN | FLAG_PSH;

/** A sender that asks for more has others work without end: no TCP cuts so small. */
const MOST_SEGMENTS = 2048;

/** Whether a packet that says to be large is one that can be cut: TCP of the family that it names. */
export function isSegmentable(packet: Packet, headers: Headers): boolean {
  const family = packet.gsoType === GsoType.TCPV4 ? 4 : packet.gsoType === GsoType.TCPV6 ? 6 : -1;
  return packet.gsoSize > 0 && headers.family === family && headers.protocol === IpProtocol.TCP && headers.l4 !== 0;
}

export class Segmenter {
  readonly #segment: Packet;
  readonly #headers = new Headers();
  #whole: Packet | null = null;
  #count = 0;

  constructor(memory: MachineMemory | null) {
    this.#segment = new Packet(memory);
  }

  /** Into how many segments the packet is cut; 0 when it cannot be, or into too many. */
  begin(whole: Packet): number {
    this.#whole = whole;
    parseHeaders(whole, this.#headers);
    if (!isSegmentable(whole, this.#headers)) return 0;
    this.#count = Math.max(Math.ceil((this.#headers.end - this.#headers.payload) / whole.gsoSize), 1);
    return this.#count > MOST_SEGMENTS ? 0 : this.#count;
  }

  /** Bytes of the longest segment. */
  get longest(): number {
    const { payload, end } = this.#headers;
    return payload + Math.min(this.#whole!.gsoSize, end - payload);
  }

  /** A segment, with a partial checksum; good until the next one is asked for. */
  at(index: number): Packet {
    const whole = this.#whole!;
    const headers = this.#headers;
    const segment = this.#segment;
    const sent = index * whole.gsoSize;
    const count = Math.min(whole.gsoSize, headers.end - headers.payload - sent);
    segment.slice(whole, headers.payload, headers.payload + sent, count);
    segment.partialChecksum = true;
    segment.dataValidated = whole.dataValidated;
    if (headers.family === 4) this.#setIpv4(index, count);
    else segment.headerView.setUint16(headers.l3 + 4, headers.payload - headers.l3 - IPV6_BYTES + count);
    this.#setTcp(index, sent, count);
    return segment;
  }

  #setIpv4(index: number, count: number): void {
    const { headerView: view } = this.#segment;
    const { l3, l4, payload } = this.#headers;
    view.setUint16(l3 + 2, payload - l3 + count);
    view.setUint16(l3 + 4, view.getUint16(l3 + 4) + index);
    view.setUint16(l3 + 10, 0);
    view.setUint16(l3 + 10, ~sumView(view, l3, l4));
  }

  #setTcp(index: number, sent: number, count: number): void {
    const segment = this.#segment;
    const { headerView: view } = segment;
    const { l4, checksum } = this.#headers;
    view.setUint32(l4 + 4, view.getUint32(l4 + 4) + sent);
    let flags = view.getUint8(l4 + 13);
    if (index > 0) flags &= ~FLAG_CWR;
    if (index < this.#count - 1) flags &= ~LAST_FLAGS;
    view.setUint8(l4 + 13, flags);
    view.setUint16(checksum, pseudoSum(segment, this.#headers, count));
  }
}
