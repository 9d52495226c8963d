/**
 * What a guest receives over one queue: a frame is copied straight into the buffers that it posted, as large as it takes
 * them, or cut and with checksums filled in. Without buffers the sender is kept waiting, for some time.
 */
import { PAGE_BYTES } from "../../core-link/index.js";
import type { EventChannel } from "../../evtchn/index.js";
import { completedChecksum, GsoType, Headers, type Packet, parseHeaders, Segmenter } from "../../net/index.js";
import type { BackRing } from "../../ring/index.js";
import type { BackendIo } from "../backend.js";
import {
  Extra,
  ExtraType,
  NetifStatus,
  RX_SLOT_BYTES,
  RxFlag,
  RxRequest,
  readRxRequest,
  writeExtra,
  writeRxResponse,
} from "./codec.js";
import type { Capabilities } from "./keys.js";
import { INITIAL_RX, type RxEvent, type RxState, stepRx } from "./machine.js";
import type { QueueCounters } from "./saved.js";
import { NO_HASH, type Steering } from "./steering.js";

/** How long senders wait for a guest that posts no buffers, as for Linux's back end; after that their frames are dropped. */
const PATIENCE_MS = 10_000;
/** The guest is told of frames after so many bytes: it goes on while we do. */
const BYTES_PER_PUBLISH = 256 * 1024;
/** Ethernet's header and a VLAN tag, which do not count as what an MTU limits. */
const LINK_BYTES = 18;

export interface RxParts {
  readonly io: BackendIo;
  readonly ring: BackRing;
  readonly counters: QueueCounters;
  readonly capabilities: Capabilities;
  readonly steering: Steering;
  readonly mtu: number;
  readonly timer: (ms: number, work: () => void) => () => void;
  /** Who was refused may try again. */
  readonly room: () => void;
  /** The front end broke the ring. */
  readonly broken: (why: string) => void;
}

export class RxQueue {
  channel: EventChannel | null = null;
  #state: RxState = INITIAL_RX;
  #cancelTimer: () => void = () => {};
  /** Buffers that the frame needs that was refused. */
  #needed = 0;
  /** Bytes that the guest has not been told of. */
  #untold = 0;
  readonly #segmenter: Segmenter;
  readonly #headers = new Headers();
  readonly #request = new RxRequest();
  readonly #extra = new Extra();
  readonly #slot = new Uint8Array(RX_SLOT_BYTES);
  readonly #slotView = new DataView(this.#slot.buffer);

  constructor(private readonly parts: RxParts) {
    this.#segmenter = new Segmenter(parts.io.memory);
  }

  /** Takes a frame or drops it: true. False: it may be sent again after `room`. */
  receive(packet: Packet): boolean {
    const { counters, steering } = this.parts;
    if (this.#state.stopped) return this.#drop();
    if (this.#state.paused) return false;
    const segments = this.#segments(packet);
    const longest = segments > 1 ? this.#segmenter.longest : packet.length;
    const slots = Math.ceil(longest / PAGE_BYTES);
    const isTooLong = slots > 1 && !this.parts.capabilities.scatter;
    if (segments === 0 || isTooLong || (packet.gsoSize === 0 && packet.length > this.parts.mtu + LINK_BYTES)) {
      return this.#drop();
    }
    const extras = (steering.hashType === NO_HASH ? 0 : 1) + (segments === 1 && packet.gsoSize > 0 ? 1 : 0);
    const needed = segments * (slots + extras);
    if (needed > this.parts.ring.slots) return this.#drop();
    if (!this.#hasBuffers(needed)) return this.#goWithout(needed);
    if (this.#state.phase === "stalled") this.#step("buffers");
    if (segments === 1) {
      this.#give(packet);
      if (packet.gsoSize > 0) counters.rxLarge++;
    } else {
      for (let i = 0; i < segments; i++) this.#give(this.#segmenter.at(i));
      counters.rxCut++;
    }
    if (this.#untold >= BYTES_PER_PUBLISH) this.settle();
    return true;
  }

  /** Tells the guest of the frames that it got. */
  settle(): void {
    this.#untold = 0;
    if (!this.#state.stopped && this.parts.ring.publish()) this.channel?.notify();
  }

  /** There may be new buffers. */
  look(): void {
    if (this.#state.phase === "ready" || this.#state.paused || this.#state.stopped) return;
    if (this.#hasBuffers(this.#needed)) this.#step("buffers");
  }

  pause(): void {
    this.settle();
    this.#step("pause");
  }

  resume(): void {
    this.#step("resume");
    this.look();
  }

  /** Nothing is given to the guest from here on. */
  stop(): void {
    this.#step("stop");
    this.channel?.close();
    this.channel = null;
  }

  /** Into how many frames the packet has to be cut; 0 when it cannot be. */
  #segments(packet: Packet): number {
    const { large4, large6 } = this.parts.capabilities;
    if (packet.gsoSize === 0 || (packet.gsoType === GsoType.TCPV4 ? large4 : large6)) return 1;
    return this.#segmenter.begin(packet);
  }

  /** Whether so many buffers are there; the guest tells of them when they are not. */
  #hasBuffers(needed: number): boolean {
    const { ring } = this.parts;
    const waiting = ring.waiting();
    if (waiting < 0) {
      this.#step("stop");
      this.parts.broken("the receive ring's request index is beyond the ring");
      return false;
    }
    return waiting >= needed || ring.wakeAt(needed);
  }

  /** There are too few buffers: drops the frame, or has it kept for later. */
  #goWithout(needed: number): boolean {
    if (this.#state.stopped) return this.#drop();
    const isFirst = this.#state.phase === "ready";
    // The smallest of those that wait is woken for; the others ask again then.
    this.#needed = isFirst ? needed : Math.min(this.#needed, needed);
    if (this.#needed < needed) this.parts.ring.wakeAt(this.#needed);
    if (this.#state.phase === "stalled" || !this.parts.capabilities.tellsOfBuffers) {
      this.parts.counters.rxNoBuffers++;
      return this.#drop();
    }
    this.#step("short");
    return false;
  }

  #drop(): true {
    this.parts.counters.rxDropped++;
    return true;
  }

  /** Copies a frame into as many buffers as it takes. */
  #give(packet: Packet): void {
    const { counters } = this.parts;
    const field = packet.partialChecksum ? this.#fieldToComplete(packet) : 0;
    const sum = field > 0 ? packet.headerView.getUint16(field) : 0;
    if (field > 0) packet.headerView.setUint16(field, completedChecksum(packet, this.#headers));
    let flags = packet.dataValidated ? RxFlag.DATA_VALIDATED : 0;
    if (packet.partialChecksum && field === 0) flags |= RxFlag.CSUM_BLANK | RxFlag.DATA_VALIDATED;
    this.#giveData(packet, flags);
    // The sender's packet goes to others too.
    if (field > 0) packet.headerView.setUint16(field, sum);
    counters.rxFrames++;
    counters.rxBytes += packet.length;
    this.#untold += packet.length;
  }

  /** Where the checksum is that the guest wants filled in; 0 when it takes a partial one. */
  #fieldToComplete(packet: Packet): number {
    const { partial4, partial6 } = this.parts.capabilities;
    if (partial4 && partial6) return 0;
    parseHeaders(packet, this.#headers);
    return (this.#headers.family === 4 ? partial4 : partial6) ? 0 : this.#headers.checksum;
  }

  #giveData(packet: Packet, firstFlags: number): void {
    const { hashType } = this.parts.steering;
    const isLarge = packet.gsoSize > 0;
    const hasExtra = isLarge || hashType !== NO_HASH;
    let flags = hasExtra ? firstFlags | RxFlag.EXTRA_INFO : firstFlags;
    for (let from = 0; from < packet.length; from += PAGE_BYTES) {
      const count = Math.min(packet.length - from, PAGE_BYTES);
      if (from + count < packet.length) flags |= RxFlag.MORE_DATA;
      this.#giveSlot(packet, from, count, flags);
      flags = 0;
      if (from > 0 || !hasExtra) continue;
      if (isLarge) this.#giveLarge(packet, hashType !== NO_HASH);
      if (hashType !== NO_HASH) this.#giveHash();
    }
  }

  #giveSlot(packet: Packet, from: number, count: number, flags: number): void {
    const { io, ring, counters } = this.parts;
    const { id, ref } = this.#takeBuffer();
    const page = io.mapPage(ref, false);
    if (page < 0) {
      counters.rxErrors++;
      io.log(`buffer ${id}: grant ${ref} cannot be mapped (${page})`);
    } else {
      packet.copyToMachine(io.memory, page, from, count);
      io.unmapPage(ref, false);
    }
    writeRxResponse(this.#slotView, id, flags, page < 0 ? NetifStatus.ERROR : count);
    ring.putResponse(this.#slot);
  }

  #giveLarge(packet: Packet, more: boolean): void {
    this.#extra.type = ExtraType.GSO;
    this.#extra.more = more;
    this.#extra.gsoSize = packet.gsoSize;
    this.#extra.gsoType = packet.gsoType;
    this.#giveExtra();
  }

  #giveHash(): void {
    this.#extra.type = ExtraType.HASH;
    this.#extra.more = false;
    this.#extra.hashType = this.parts.steering.hashType;
    this.#extra.hash = this.parts.steering.hash;
    this.#giveExtra();
  }

  /** Extra information takes the place of a response; the buffer comes back unused. */
  #giveExtra(): void {
    this.#takeBuffer();
    writeExtra(this.#slotView, this.#extra);
    this.parts.ring.putResponse(this.#slot);
  }

  #takeBuffer(): RxRequest {
    this.parts.ring.take(this.#slot);
    readRxRequest(this.#slotView, this.#request);
    return this.#request;
  }

  #step(event: RxEvent): void {
    const [next, effects] = stepRx(this.#state, event);
    this.#state = next;
    for (const effect of effects) {
      if (effect === "room") {
        this.parts.room();
        continue;
      }
      this.#cancelTimer();
      this.#cancelTimer =
        effect === "start-timer" ? this.parts.timer(PATIENCE_MS, () => this.#step("expired")) : () => {};
    }
  }
}
