/**
 * One pair of rings of a device: takes the guest's packets and puts them on the wire, straight from the guest's pages; puts
 * what comes by the wire into the guest's ring, whole, from where the guest copies it.
 */
import type { EventChannel } from "../../evtchn/index.js";
import { completedChecksum, GsoType, Headers, Packet, parseHeaders, Segmenter, type Wire } from "../../net/index.js";
import type { BackendIo } from "../backend.js";
import { NextTurn } from "../next-turn.js";
import {
  HEADER_BYTES,
  MAC_BYTES,
  Message,
  MOST_FRAGMENTS,
  MOST_INLINE,
  MOST_PACKET_HEAD,
  type Offload,
  occupied,
  offloadMessage,
  PACKET_BYTES,
  PacketFlag,
  PacketKind,
  PacketMessage,
  readNumber,
  readOffload,
  readPacket,
  Segmentation,
  writeNumber,
  writePacket,
} from "./codec.js";
import type { MessageRing } from "./ring.js";
import type { Vif2Counters } from "./saved.js";

/** Messages taken before others have their turn. */
const MESSAGES_PER_TURN = 128;
/** Packets that a guest may have under way, and room for what answers them. */
const MOST_PACKETS = 256;
const SPARE = MOST_PACKETS * HEADER_BYTES;
/** Messages that wait for a guest which does not read: of one that does there are a few for each bypass. */
const MOST_WAITING = 128;
/** Messages about bypasses are no longer than their answer with a ring of the largest size. */
const MOST_ANSWER = 2048;
/** After so many bytes those who take part go on while we do. */
const BYTES_PER_SETTLE = 256 * 1024;
const ETHERNET_BYTES = 14;
const NO_OFFLOAD: Offload = { csum: false, tcpv4: false, tcpv6: false };

export interface Vif2QueueParts {
  readonly io: BackendIo;
  readonly counters: Vif2Counters;
  readonly wire: Wire;
  readonly headers: Headers;
  /** The guest's own address, when it may use no other. */
  readonly onlyMac: Uint8Array | null;
  /** A packet went out to this address: a bypass may be worth while. */
  sent(packet: Packet): void;
  /** A message about bypasses, which is the caller's to keep. */
  bypass(type: number, message: Uint8Array): void;
  broken(why: string): void;
}

export class Vif2Queue {
  #channel: EventChannel | null = null;
  #stopped = false;
  #paused = false;
  /** The wire has no room: the packet at the head of the ring waits. */
  #blocked = false;
  /** A packet for the guest was refused: it is told when there is room. */
  #isFull = false;
  readonly #nextTurn: NextTurn;
  #looking = false;
  /** Packets that the guest takes at once; none before it says how many. */
  #mostPackets = 0;
  #offload = NO_OFFLOAD;
  readonly #packet: Packet;
  readonly #segmenter: Segmenter;
  readonly #headers = new Headers();
  readonly #message = new PacketMessage();
  /** Fragments of the message that are mapped. */
  #mapped = 0;
  /** Bytes taken since others were told. */
  #moved = 0;
  /** Messages about bypasses that there was no room for. */
  readonly #waiting: Uint8Array[] = [];
  readonly #outMessage = new PacketMessage();
  readonly #head = new Uint8Array(MOST_PACKET_HEAD);
  readonly #headView = new DataView(this.#head.buffer);
  readonly #outHead = new Uint8Array(PACKET_BYTES);
  readonly #outView = new DataView(this.#outHead.buffer);

  constructor(
    private readonly parts: Vif2QueueParts,
    private readonly ring: MessageRing,
  ) {
    this.#nextTurn = new NextTurn(parts.io, () => this.onEvent());
    this.#packet = new Packet(parts.io.memory);
    this.#segmenter = new Segmenter(parts.io.memory);
  }

  set channel(channel: EventChannel) {
    this.#channel = channel;
  }

  /** Says what we take. */
  greet(): void {
    const { csum, tcpv4, tcpv6 } = { csum: true, tcpv4: true, tcpv6: true };
    this.#say(Message.SET_MAX_PACKETS, MOST_PACKETS);
    this.#say(Message.SET_MAX_FRAGMENTS, MOST_FRAGMENTS);
    this.post(offloadMessage({ csum, tcpv4, tcpv6 }));
  }

  /** The guest has notified us: of messages, or of room. */
  onEvent(): void {
    if (this.#stopped || this.#paused) return;
    this.#flush();
    if (this.#isFull) this.#lookForRoom();
    this.look();
    // Who may not look now shows what was flushed all the same.
    if (this.#blocked) this.settle();
  }

  /** The wire has room again. */
  resume(): void {
    this.#blocked = false;
    this.look();
  }

  /** The guest's memory is left alone from here on: somebody may be copying it. */
  pause(): void {
    this.settle();
    this.#paused = true;
  }

  unpause(): void {
    this.#paused = false;
    this.onEvent();
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    this.#channel?.close();
    this.#channel = null;
  }

  /** Takes what is in the ring, for one turn. */
  look(): void {
    // What we send may come back to us at once.
    if (this.#looking || !this.#mayTake) return;
    this.#looking = true;
    let budget = MESSAGES_PER_TURN;
    while (budget > 0 && this.#mayTake) {
      const size = this.ring.peek();
      if (size < 0) this.#break("a message or an index that cannot be");
      else if (size === 0) {
        if (!this.ring.sleep()) break;
      } else if (this.#take(size)) {
        this.ring.consume();
        budget--;
      }
      if (this.#moved >= BYTES_PER_SETTLE) this.#settleBoth();
    }
    this.#looking = false;
    this.#settleBoth();
    if (budget === 0) this.#nextTurn.ask();
  }

  /** Tells the guest what it wants to hear of what was done. */
  settle(): void {
    if (this.#stopped) return;
    const consumed = this.ring.showConsumed();
    const shown = this.ring.show();
    if (consumed || shown) this.#channel?.notify();
  }

  /** A packet for the guest, whose headers are in the parts: false when there is no room for it now. */
  receive(packet: Packet): boolean {
    const segments = this.#stopped || this.#mostPackets === 0 ? 0 : this.#segments(packet);
    if (segments === 0) return this.#drop();
    if (this.#paused) {
      this.#isFull = true;
      return false;
    }
    const longest = segments > 1 ? this.#segmenter.longest : packet.length;
    const size = PACKET_BYTES + longest;
    // The first has room for all behind it, and for the padding that one of them may need.
    const spare = SPARE + (segments > 1 ? segments * occupied(size) : 0);
    if (size + spare > this.ring.outBytes / 2 + SPARE) return this.#drop();
    // Looking for room may show that the ring is broken: then nobody needs to wait for it.
    if (!this.#hasRoom(size, spare)) return this.#stopped && this.#drop();
    if (segments === 1) this.#give(packet);
    for (let index = 0; segments > 1 && index < segments; index++) this.#give(this.#segmenter.at(index));
    return true;
  }

  /** A message for the guest that is sent as soon as there is room for it. The caller settles. */
  post(message: Uint8Array): void {
    if (this.#stopped) return;
    this.#waiting.push(message);
    this.#flush();
    if (this.#waiting.length > MOST_WAITING) this.#break("it does not read what it is told of bypasses");
  }

  #flush(): void {
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      if (this.#stopped || this.#paused || !this.#mayPost(message.length)) return;
      this.ring.write(message, 0);
      this.ring.commit(message.length);
      this.#waiting.shift();
    }
  }

  /** Whether a message fits before what answers the guest's packets; if not, we are told when it may. */
  #mayPost(size: number): boolean {
    if (this.#reserve(size, SPARE) === true) return true;
    if (this.#stopped) return false;
    this.ring.wantRoom();
    return this.#reserve(size, SPARE) === true;
  }

  #settleBoth(): void {
    this.#moved = 0;
    this.parts.wire.settle();
    this.settle();
  }

  get #mayTake(): boolean {
    return !this.#stopped && !this.#paused && !this.#blocked;
  }

  /** Handles one message. False when it has to wait, or the ring is broken. */
  #take(size: number): boolean {
    const { type } = this.ring;
    if (type === Message.PACKET) return this.#takePacket(size);
    if (type === Message.PAD) return true;
    if (type >= Message.BYPASS_FRONTEND && type <= Message.SUGGEST_BYPASS) return this.#takeAnswer(type, size);
    this.ring.copyOut(this.#head.subarray(0, HEADER_BYTES), 0, HEADER_BYTES);
    switch (type) {
      case Message.SET_MAX_PACKETS:
        this.#mostPackets = readNumber(this.#headView);
        return true;
      case Message.SET_OFFLOAD:
        this.#offload = readOffload(this.#headView);
        return true;
      // Of no use to us: what we send has no fragments.
      case Message.SET_MAX_FRAGMENTS:
        return true;
      default:
        return this.#break(`a message of type ${type}`);
    }
  }

  #takeAnswer(type: number, size: number): boolean {
    if (size > MOST_ANSWER) return this.#break(`an answer of ${size} bytes`);
    const message = new Uint8Array(size);
    this.ring.copyOut(message, 0, size);
    this.parts.bypass(type, message);
    return true;
  }

  #takePacket(size: number): boolean {
    const { counters, onlyMac, wire } = this.parts;
    const head = Math.min(size, MOST_PACKET_HEAD);
    this.ring.copyOut(this.#head.subarray(0, head), 0, head);
    const wrong = readPacket(this.#headView, size, this.#message);
    if (wrong !== null) return this.#break(wrong);
    let isTaken = true;
    const packet = this.#packet;
    if (this.#gather() && (onlyMac === null || isFrom(packet, onlyMac))) {
      isTaken = wire.send(packet);
      if (isTaken) this.#count(packet);
    } else {
      counters.txErrors++;
    }
    for (let index = 0; index < this.#mapped; index++) this.parts.io.unmapPage(this.#message.refs[index]!, true);
    // The wire may have done away with us.
    if (this.#stopped) return false;
    this.#blocked = !isTaken;
    return isTaken && (this.#message.fragments === 0 || this.#finish());
  }

  #count(packet: Packet): void {
    const { counters } = this.parts;
    counters.txPackets++;
    counters.txBytes += packet.length;
    this.#moved += packet.length;
    this.parts.sent(packet);
  }

  /** Makes a packet of the message; false when it cannot be one. What it maps is the caller's to unmap. */
  #gather(): boolean {
    const message = this.#message;
    const packet = this.#packet;
    packet.begin();
    this.#mapped = 0;
    for (let done = 0; done < message.prefix; ) {
      const at = message.prefixAt + done;
      const part = Math.min(message.prefix - done, this.ring.inRun(at));
      if (!packet.add(this.ring.inAddress(at), part)) return false;
      done += part;
    }
    while (this.#mapped < message.fragments) {
      const index = this.#mapped;
      const address = this.parts.io.mapPage(message.refs[index]!, true);
      if (address < 0) return false;
      this.#mapped++;
      if (!packet.add(address + message.offsets[index]!, message.sizes[index]!)) return false;
    }
    packet.seal();
    this.#describe(packet);
    return packet.length >= ETHERNET_BYTES;
  }

  #describe(packet: Packet): void {
    const { flags, segmentation, mss } = this.#message;
    packet.partialChecksum = (flags & PacketFlag.CSUM_BLANK) !== 0;
    packet.dataValidated = flags !== 0;
    const isLarge = packet.partialChecksum && mss > 0;
    packet.gsoType =
      isLarge && segmentation === Segmentation.TCPV4
        ? GsoType.TCPV4
        : isLarge && segmentation === Segmentation.TCPV6
          ? GsoType.TCPV6
          : GsoType.NONE;
    packet.gsoSize = packet.gsoType === GsoType.NONE ? 0 : mss;
  }

  /** We have copied, or dropped, what the guest's pages hold. */
  #finish(): boolean {
    return this.#say(Message.FINISH_PACKET, this.#message.id) || this.#break("more packets than it may send");
  }

  #drop(): true {
    this.parts.counters.rxDropped++;
    return true;
  }

  /** Into how many packets this one has to be cut for the guest; 0 when it cannot be. */
  #segments(packet: Packet): number {
    const { tcpv4, tcpv6 } = this.#offload;
    const isTaken = packet.gsoType === GsoType.NONE || (packet.gsoType === GsoType.TCPV4 ? tcpv4 : tcpv6);
    if (isTaken && packet.length <= MOST_INLINE) return 1;
    return packet.gsoType === GsoType.NONE ? 0 : this.#segmenter.begin(packet);
  }

  /** Puts a packet into the ring, where there is room for it. */
  #give(packet: Packet): void {
    const { counters } = this.parts;
    const size = PACKET_BYTES + packet.length;
    if (this.#reserve(size, 0) !== true) return;
    const field = packet.partialChecksum && !this.#offload.csum ? this.#checksumField(packet) : 0;
    const sum = field > 0 ? packet.headerView.getUint16(field) : 0;
    if (field > 0) packet.headerView.setUint16(field, completedChecksum(packet, this.#headers));
    this.#writeHead(packet);
    this.#copy(packet);
    // The sender's packet goes to others too.
    if (field > 0) packet.headerView.setUint16(field, sum);
    this.ring.commit(size);
    counters.rxPackets++;
    counters.rxBytes += packet.length;
  }

  /** Where the checksum is that has to be filled in; a segment ends elsewhere than the whole. */
  #checksumField(packet: Packet): number {
    parseHeaders(packet, this.#headers);
    return this.#headers.checksum;
  }

  #writeHead(packet: Packet): void {
    const message = this.#outMessage;
    const { l4, checksum } = this.parts.headers;
    message.kind = PacketKind.SMALL;
    message.prefix = packet.length;
    message.mss = packet.gsoSize;
    message.segmentation = packet.gsoType;
    message.csumStart = 0;
    message.csumOffset = 0;
    message.flags = packet.dataValidated ? PacketFlag.DATA_VALIDATED : 0;
    if (packet.partialChecksum && this.#offload.csum && l4 > 0) {
      message.flags = PacketFlag.CSUM_BLANK | PacketFlag.DATA_VALIDATED;
      message.csumStart = l4;
      message.csumOffset = checksum - l4;
    }
    writePacket(this.#outView, message);
    this.ring.write(this.#outHead, 0);
  }

  #copy(packet: Packet): void {
    const { memory } = this.parts.io;
    for (let done = 0; done < packet.length; ) {
      const at = PACKET_BYTES + done;
      const part = Math.min(packet.length - done, this.ring.outRun(at));
      packet.copyToMachine(memory, this.ring.outAddress(at), done, part);
      done += part;
    }
  }

  #say(type: number, value: number): boolean {
    if (this.#reserve(HEADER_BYTES, 0) !== true) return false;
    writeNumber(this.#outView, type, value);
    this.ring.write(this.#outHead.subarray(0, HEADER_BYTES), 0);
    this.ring.commit(HEADER_BYTES);
    return true;
  }

  /** Null: the ring is broken, and not to be touched any more. */
  #reserve(size: number, spare: number): boolean | null {
    if (this.#stopped) return null;
    const room = this.ring.reserve(size, spare);
    if (room === null) this.#break("more consumed than was written");
    return room;
  }

  /** Whether there is room. If not, it is asked for, and looked for again. */
  #hasRoom(size: number, spare: number): boolean {
    if (this.#reserve(size, spare) === true) return true;
    if (this.#stopped) return false;
    this.settle();
    this.ring.wantRoom();
    this.#isFull = this.#reserve(size, spare) !== true;
    return !this.#isFull;
  }

  /** Tells the wire when half of the ring is free, and otherwise asks for that. */
  #lookForRoom(): void {
    const isEnough = (): boolean => this.ring.free >= this.ring.outBytes / 2;
    if (!isEnough()) this.ring.wantRoom();
    if (!isEnough()) return;
    this.#isFull = false;
    this.parts.wire.room();
  }

  #break(why: string): false {
    if (this.#stopped) return false;
    this.stop();
    this.parts.broken(why);
    return false;
  }
}

function isFrom(packet: Packet, mac: Uint8Array): boolean {
  for (let index = 0; index < MAC_BYTES; index++) {
    if (packet.header[MAC_BYTES + index] !== mac[index]) return false;
  }
  return true;
}
