/**
 * A network front end for tests: a domain of the fake core whose pages, grants, rings and keys the test plays, with the
 * real back end, handshake and store behind them. Several of a world share its memory.
 */
import { FakeCore } from "../../../core-link/fake.js";
import { PAGE_BYTES } from "../../../core-link/index.js";
import { backendIo } from "../../../domain/backend-io.js";
import { EventChannels } from "../../../evtchn/index.js";
import type { Packet, Station, Wire } from "../../../net/index.js";
import { FrontRing } from "../../../ring/index.js";
import { concatBytes, LogRing, ManualClock } from "../../../util/index.js";
import { XenbusDevice } from "../../../xenbus/index.js";
import { XenstoreServer } from "../../../xenstore/index.js";
import {
  CONTROL_SLOT_BYTES,
  ControlRequest,
  type ControlResponse,
  Extra,
  ExtraType,
  NetifStatus,
  RX_SLOT_BYTES,
  RxFlag,
  RxRequest,
  type RxResponse,
  readControlResponse,
  readExtra,
  readRxResponse,
  readTxResponse,
  TX_SLOT_BYTES,
  TxFlag,
  TxRequest,
  writeControlRequest,
  writeExtra,
  writeRxRequest,
  writeTxRequest,
} from "../codec.js";
import { VifBackend, type VifOptions } from "../device.js";

const PAGES = 4096;
const RING_SLOTS_OFFSET = 64;
const NS_PER_MS = 1e6;

/** What all front ends of a test share, with a clock and timers that it holds in its hand. */
export class World {
  readonly core: FakeCore;
  readonly store = new XenstoreServer();
  readonly channels: EventChannels;
  readonly clock = new ManualClock();
  readonly log = new LogRing({ now: () => 0 });
  /** Ports of Domain0 that were notified. */
  notifies = 0;
  readonly #later: (() => void)[] = [];
  readonly #timers = new Set<{ readonly at: number; readonly work: () => void }>();

  constructor(bytes?: number) {
    this.core = new FakeCore(bytes);
    this.channels = new EventChannels(this.core);
    this.core.calls.machineInit(PAGES, 1, 0, 0, 0);
    const { calls } = this.core;
    const notify = calls.evtchnNotify.bind(calls);
    calls.evtchnNotify = (port) => {
      this.notifies++;
      return notify(port);
    };
  }

  readonly later = (work: () => void): void => void this.#later.push(work);

  readonly timer = (ms: number, work: () => void): (() => void) => {
    const timer = { at: this.clock.now() + ms * NS_PER_MS, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  get timers(): number {
    return this.#timers.size;
  }

  /** What Domain0 does when its doorbell rings. */
  serve(): void {
    this.channels.dispatch();
    for (let work = this.#later.shift(); work; work = this.#later.shift()) work();
  }

  /** Lets time pass, a millisecond after the other. */
  pass(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.clock.advance(NS_PER_MS);
      for (const timer of this.#timers) {
        if (timer.at > this.clock.now()) continue;
        this.#timers.delete(timer);
        timer.work();
      }
      this.serve();
    }
  }
}

/** A frame that went over a wire, as whoever receives it would find it. */
export interface Sent {
  readonly bytes: Uint8Array;
  readonly partialChecksum: boolean;
  readonly dataValidated: boolean;
  readonly gsoSize: number;
  readonly gsoType: number;
  readonly fragments: number;
}

/** A wire that notes what happens on it, and refuses what the test wants refused. */
export class RecordingWire implements Wire {
  readonly frames: Sent[] = [];
  readonly events: string[] = [];
  accepts: (packet: Packet) => boolean = () => true;
  station: Station | null = null;

  send(packet: Packet): boolean {
    if (!this.accepts(packet)) return false;
    const { length, partialChecksum, dataValidated, gsoSize, gsoType, fragments } = packet;
    const bytes = new Uint8Array(length);
    packet.copyTo(bytes, 0, 0, length);
    this.frames.push({ bytes, partialChecksum, dataValidated, gsoSize, gsoType, fragments });
    this.events.push("send");
    return true;
  }

  settle(): void {
    this.events.push("settle");
  }

  room(): void {
    this.events.push("room");
  }

  unplug(): void {
    this.events.push("unplug");
    this.station = null;
  }
}

export interface FrontOptions extends Partial<Pick<VifOptions, "mtu" | "plug">> {
  readonly rateBytesPerSecond?: number;
  readonly rateWindowUs?: number;
  readonly domid?: number;
  readonly mostQueues?: number;
  readonly queues?: number;
  readonly split?: boolean;
  readonly control?: boolean;
  /** Keys besides those of the rings; those of Linux when absent. */
  readonly features?: Readonly<Record<string, string>>;
}

export const LINUX_FEATURES: Readonly<Record<string, string>> = {
  "request-rx-copy": "1",
  "feature-rx-notify": "1",
  "feature-sg": "1",
  "feature-gso-tcpv4": "1",
  "feature-gso-tcpv6": "1",
  "feature-ipv6-csum-offload": "1",
};

export interface FrontQueue {
  readonly tx: FrontRing;
  readonly rx: FrontRing;
  readonly txPort: number;
  readonly rxPort: number;
  /** The page that each id stands for. */
  readonly sent: Map<number, SharedPage>;
  readonly buffers: Map<number, SharedPage>;
}

interface SharedPage {
  readonly ref: number;
  readonly bytes: Uint8Array;
  readonly address: number;
}

/** How a frame is sent. */
export interface SendOptions {
  /** Bytes of each piece but the first, which takes the rest. */
  readonly pieces?: readonly number[];
  readonly flags?: number;
  readonly extras?: readonly Partial<Extra>[];
  readonly id?: number;
  readonly offset?: number;
}

/** A frame as the front end finds it in its buffers. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly extras: readonly Partial<Extra>[];
  readonly slots: number;
  /** An error instead of a length stood in one of the responses. */
  readonly isBroken: boolean;
}

export class VifFront {
  readonly wire = new RecordingWire();
  backend!: VifBackend;
  device!: XenbusDevice;
  readonly queues: FrontQueue[] = [];
  readonly domid: number;
  control: { readonly ring: FrontRing; readonly port: number } | null = null;
  /** Pages that are granted and not in use. */
  readonly #spare: SharedPage[] = [];
  readonly #ringPages = new Map<FrontRing, Uint8Array>();
  #nextGfn = 16;
  #nextRef = 8;
  #nextId = 0;

  constructor(
    readonly world = new World(),
    private readonly options: FrontOptions = {},
  ) {
    const { core } = world;
    const { domid = 5 } = options;
    this.domid = domid;
    core.calls.domainCreate(domid, 1, PAGES);
    core.calls.domainAddRam(domid, 0, PAGES);
    this.start();
  }

  /** Makes a back end: at first, and after another Domain0 was asked to go on with what the guest has. */
  start(): void {
    const { core, channels, log, clock, store, later, timer } = this.world;
    const { mostQueues = 8, mtu, rateBytesPerSecond = null, rateWindowUs } = this.options;
    const paths = { frontend: this.frontendPath, backend: this.backendPath };
    const parts = { core, channels, store: store.local, clock, log, later };
    const io = backendIo(parts, this.domid, "vif", paths, () => this.device);
    const plug = (station: Station): Wire => {
      this.wire.station = station;
      return this.options.plug?.(station) ?? this.wire;
    };
    this.backend = new VifBackend({
      name: `vif${this.domid}.0`,
      mac: "00:16:3e:00:00:05",
      queues: mostQueues,
      ...(mtu === undefined ? {} : { mtu }),
      plug,
      timer,
    });
    this.backend.limit(rateBytesPerSecond, rateWindowUs);
    this.device = new XenbusDevice(store.local, paths, io, this.backend);
    this.device.start(this.backend.keys(0));
  }

  get frontendPath(): string {
    return `/local/domain/${this.domid}/device/vif/0`;
  }

  get backendPath(): string {
    return `/local/domain/0/backend/vif/${this.domid}/0`;
  }

  get station(): Station {
    return this.wire.station!;
  }

  page(): { readonly gfn: number; readonly bytes: Uint8Array; readonly address: number } {
    const gfn = this.#nextGfn++;
    const address = this.world.core.calls.domainPage(this.domid, gfn);
    return { gfn, address, bytes: this.world.core.memory.bytes(address, PAGE_BYTES) };
  }

  /** A page with its grant. */
  shared(): SharedPage {
    const page = this.page();
    const ref = this.#nextRef++;
    this.world.core.grants.set(`${this.domid}:${ref}`, page.gfn);
    return { ...page, ref };
  }

  write(key: string, value: string): void {
    this.world.store.local.write(`${this.frontendPath}/${key}`, value);
  }

  key(name: string): string | null {
    return this.world.store.local.read(`${this.backendPath}/${name}`);
  }

  /** Makes the rings and says so, as xen-netfront does. */
  connect(): void {
    const { queues = 1, split = true, control = false, features = LINUX_FEATURES } = this.options;
    this.queues.length = 0;
    this.write("multi-queue-num-queues", String(queues));
    for (let queue = 0; queue < queues; queue++) this.#makeQueue(queues > 1 ? `queue-${queue}/` : "", split);
    if (control) this.#makeControl();
    for (const [key, value] of Object.entries(features)) this.write(key, value);
    this.write("state", "4");
    this.world.serve();
  }

  /** What stands in the slots of a ring. */
  ringBytes(ring: "tx" | "rx", queue = 0): Uint8Array {
    return this.#ringPages.get(this.queues[queue]![ring])!.slice(RING_SLOTS_OFFSET);
  }

  /** Puts a frame into pages and requests into the ring; answers the id of the first. */
  send(frame: Uint8Array, options: SendOptions = {}, queue = 0): number {
    const id = this.put(frame, options, queue);
    this.notify(queue);
    return id;
  }

  /** As send, but nobody hears of it. */
  put(frame: Uint8Array, options: SendOptions = {}, queue = 0): number {
    const { pieces = [], flags = 0, extras = [], offset = 0 } = options;
    const first = frame.length - pieces.reduce((sum, size) => sum + size, 0);
    const sizes = [first, ...pieces];
    const slots: Uint8Array[] = [];
    let from = 0;
    const id = options.id ?? this.#nextId;
    sizes.forEach((size, piece) => {
      const page = this.#spare.pop() ?? this.shared();
      this.queues[queue]!.sent.set((id + piece) & 0xffff, page);
      page.bytes.set(frame.subarray(from, from + size), offset);
      from += size;
      const more = piece < sizes.length - 1 ? TxFlag.MORE_DATA : 0;
      const info = piece === 0 && extras.length > 0 ? TxFlag.EXTRA_INFO : 0;
      slots.push(
        txSlot({
          ref: page.ref,
          offset,
          flags: (piece === 0 ? flags : 0) | more | info,
          id: (id + piece) & 0xffff,
          size: piece === 0 ? frame.length : size,
        }),
      );
      if (piece > 0) return;
      slots.push(...extras.map((extra, index) => extraSlot({ ...extra, more: index < extras.length - 1 })));
    });
    this.#nextId = (id + sizes.length) & 0xffff;
    this.queues[queue]!.tx.pushRequests(slots);
    return id;
  }

  notify(queue = 0): void {
    this.world.core.guestNotify(this.domid, this.queues[queue]!.txPort);
    this.world.serve();
  }

  /** Whether the guest has been notified of something in a queue's rings; cleared by asking. */
  isNotified(ring: "tx" | "rx", queue = 0): boolean {
    const { txPort, rxPort } = this.queues[queue]!;
    return this.world.core.guestTakePending(this.domid, ring === "tx" ? txPort : rxPort);
  }

  /** Responses to what was sent: id and status of each. */
  answers(queue = 0): (readonly [number, number])[] {
    const found: (readonly [number, number])[] = [];
    const { tx, sent } = this.queues[queue]!;
    for (let slot = tx.takeResponse(); slot; slot = tx.takeResponse()) {
      const { id, status } = readTxResponse(new DataView(slot.buffer));
      found.push([id, status]);
      if (status !== NetifStatus.NULL) this.#release(sent, id);
    }
    tx.finalCheck();
    return found;
  }

  /** Gives buffers to the back end, and notifies when it asked for that, unless that is to be late. */
  post(count: number, queue = 0, isTold = true): void {
    const { rx, rxPort, buffers } = this.queues[queue]!;
    const slots = Array.from({ length: count }, () => {
      const page = this.#spare.pop() ?? this.shared();
      const id = this.#nextId++ & 0xffff;
      const { ref } = page;
      buffers.set(id, page);
      const slot = new Uint8Array(RX_SLOT_BYTES);
      writeRxRequest(new DataView(slot.buffer), Object.assign(new RxRequest(), { id, ref }));
      return slot;
    });
    if (rx.pushRequests(slots) && isTold) this.world.core.guestNotify(this.domid, rxPort);
    this.world.serve();
  }

  /** Takes what has arrived, frame by frame. */
  received(queue = 0): Received[] {
    const { rx } = this.queues[queue]!;
    const frames: Received[] = [];
    for (let slot = rx.takeResponse(); slot; slot = rx.takeResponse()) frames.push(this.#takeFrame(slot, queue));
    rx.finalCheck();
    return frames;
  }

  /** Asks over the control ring. */
  ask(type: number, ...data: readonly number[]): ControlResponse | undefined {
    const { ring, port } = this.control!;
    const slot = new Uint8Array(CONTROL_SLOT_BYTES);
    const request = Object.assign(new ControlRequest(), { id: 77, type });
    request.data.set(data);
    writeControlRequest(new DataView(slot.buffer), request);
    if (ring.pushRequests([slot])) this.world.core.guestNotify(this.domid, port);
    this.world.serve();
    const response = ring.takeResponse();
    ring.finalCheck();
    return response && readControlResponse(new DataView(response.buffer));
  }

  #takeFrame(first: Uint8Array, queue: number): Received {
    const { rx, buffers } = this.queues[queue]!;
    const { flags } = readRxResponse(new DataView(first.buffer));
    const parts: Uint8Array[] = [];
    const extras: Partial<Extra>[] = [];
    let isBroken = false;
    let slots = 0;
    for (let slot: Uint8Array | undefined = first; slot; ) {
      const response: RxResponse = readRxResponse(new DataView(slot.buffer));
      if (response.status < 0) isBroken = true;
      else parts.push(buffers.get(response.id)!.bytes.slice(response.offset, response.offset + response.status));
      this.#release(buffers, response.id);
      if (slots++ === 0 && (flags & RxFlag.EXTRA_INFO) !== 0) extras.push(...this.#takeExtras(rx));
      slot = (response.flags & RxFlag.MORE_DATA) !== 0 ? rx.takeResponse() : undefined;
    }
    return { bytes: concatBytes(parts), flags, extras, slots: slots + extras.length, isBroken };
  }

  #release(pages: Map<number, SharedPage>, id: number): void {
    const page = pages.get(id);
    if (page) this.#spare.push(page);
    pages.delete(id);
  }

  #takeExtras(rx: FrontRing): Partial<Extra>[] {
    const extras: Partial<Extra>[] = [];
    const extra = new Extra();
    do {
      readExtra(new DataView(rx.takeResponse()!.buffer), extra);
      extras.push(shortened(extra));
    } while (extra.more);
    return extras;
  }

  #makeQueue(folder: string, split: boolean): void {
    const tx = this.#makeRing(`${folder}tx-ring-ref`, TX_SLOT_BYTES);
    const rx = this.#makeRing(`${folder}rx-ring-ref`, RX_SLOT_BYTES);
    const port = () => this.world.core.calls.evtchnAllocUnbound(this.domid, 0);
    const txPort = port();
    const rxPort = split ? port() : txPort;
    if (split) {
      this.write(`${folder}event-channel-tx`, String(txPort));
      this.write(`${folder}event-channel-rx`, String(rxPort));
    } else this.write(`${folder}event-channel`, String(txPort));
    this.queues.push({ tx, rx, txPort, rxPort, sent: new Map(), buffers: new Map() });
  }

  #makeControl(): void {
    const ring = this.#makeRing("ctrl-ring-ref", CONTROL_SLOT_BYTES);
    const port = this.world.core.calls.evtchnAllocUnbound(this.domid, 0);
    this.write("event-channel-ctrl", String(port));
    this.control = { ring, port };
  }

  #makeRing(key: string, slotBytes: number): FrontRing {
    const { ref, address, bytes } = this.shared();
    const ring = new FrontRing({ memory: this.world.core.memory, address, bytes: PAGE_BYTES, slotBytes });
    ring.initialise();
    this.#ringPages.set(ring, bytes);
    this.write(key, String(ref));
    return ring;
  }
}

export function txSlot(request: TxRequest): Uint8Array {
  const slot = new Uint8Array(TX_SLOT_BYTES);
  writeTxRequest(new DataView(slot.buffer), Object.assign(new TxRequest(), request));
  return slot;
}

export function extraSlot(extra: Partial<Extra>): Uint8Array {
  const slot = new Uint8Array(TX_SLOT_BYTES);
  writeExtra(new DataView(slot.buffer), Object.assign(new Extra(), extra));
  return slot;
}

/** What an extra of its type has. */
function shortened({ type, gsoSize, gsoType, hashType, hash }: Extra): Partial<Extra> {
  return type === ExtraType.GSO ? { type, gsoSize, gsoType } : { type, hashType, hash };
}
