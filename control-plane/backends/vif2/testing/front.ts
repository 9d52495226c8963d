/**
 * Netchannel2 front ends for tests: domains of the fake core whose pages, grants, rings and keys the test plays, with the
 * real back end, handshake and store behind them. The rings are written here once more, as the guest's end of them.
 */
import { FakeCore } from "../../../core-link/fake.js";
import { PAGE_BYTES } from "../../../core-link/index.js";
import { backendIo } from "../../../domain/backend-io.js";
import { EventChannels } from "../../../evtchn/index.js";
import { Packet, type Station, type Wire } from "../../../net/index.js";
import { LogRing } from "../../../util/index.js";
import { XenbusDevice } from "../../../xenbus/index.js";
import { XenstoreServer } from "../../../xenstore/index.js";
import { Bypasses } from "../bypasses.js";
import { Message, numberMessage, offloadMessage, PacketKind, PacketMessage, writePacket } from "../codec.js";
import { Vif2Backend, type Vif2Options } from "../device.js";

const PAGES = 8192;
const OUT_ORDER = 2;
const IN_ORDER = 6;

/** Sends to a guest until its ring has no room for even the shortest. */
export function fill(station: Station): void {
  const packet = new Packet(null);
  for (const bytes of [60_000, 600, 20, 4]) {
    packet.wrap(new Uint8Array(bytes));
    while (station.receive(packet));
  }
}

/** The core, the store and the cable that the front ends of a test share. */
export class World {
  readonly core = new FakeCore();
  readonly store = new XenstoreServer();
  readonly channels = new EventChannels(this.core);
  readonly log = new LogRing({ now: () => 0 });
  readonly bypasses = new Bypasses({ log: this.log, threshold: 4 });
  /** What came by the cable, as bytes with what is said of them. */
  readonly frames: Frame[] = [];
  /** False lets the cable refuse. */
  hasRoom = true;
  readonly #stations = new Set<Station>();
  readonly #later: (() => void)[] = [];

  constructor() {
    this.core.calls.machineInit(PAGES * 2, 1, 0, 0, 0);
  }

  readonly later = (work: () => void): void => void this.#later.push(work);

  plug(station: Station): Wire {
    this.#stations.add(station);
    return {
      send: (packet) => {
        if (this.hasRoom) this.frames.push(frameOf(packet));
        return this.hasRoom;
      },
      settle: () => {},
      room: () => {
        this.rooms++;
      },
      unplug: () => void this.#stations.delete(station),
    };
  }

  /** How often a station said that it has room again. */
  rooms = 0;

  get stations(): readonly Station[] {
    return [...this.#stations];
  }

  /** What Domain0 does when its doorbell rings. */
  serve(): void {
    do {
      for (let work = this.#later.shift(); work; work = this.#later.shift()) work();
    } while (this.channels.dispatch() || this.#later.length > 0);
  }
}

export interface Frame {
  readonly bytes: Uint8Array;
  readonly partialChecksum: boolean;
  readonly gsoSize: number;
  readonly gsoType: number;
}

export function frameOf(packet: Packet): Frame {
  const bytes = new Uint8Array(packet.length);
  packet.copyTo(bytes, 0, 0, packet.length);
  const { partialChecksum, gsoSize, gsoType } = packet;
  return { bytes, partialChecksum, gsoSize, gsoType };
}

/** The guest's end of a pair of rings, which lies in its own pages. */
export class OwnRing {
  #outProd = 0;
  #inCons = 0;

  constructor(
    private readonly world: World,
    readonly control: number,
    readonly outPages: readonly number[],
    readonly inPages: readonly number[],
    readonly port: number,
  ) {
    this.set(8, 1);
    this.set(64 + 8, 1);
  }

  /** A word of the control page. */
  get(offset: number): number {
    return this.world.core.memory.load32(this.control + offset);
  }

  set(offset: number, value: number): void {
    this.world.core.memory.store32(this.control + offset, value);
  }

  /** Writes a message, and says how far it reaches. */
  put(message: Uint8Array): void {
    const size = this.outPages.length * PAGE_BYTES;
    const whole = (message.length + 7) & ~7;
    const left = size - (this.#outProd & (size - 1));
    if (whole > left) {
      this.#write(new Uint8Array([Message.PAD, 0, left & 0xff, left >> 8]));
      this.#outProd += left;
    }
    this.#write(message);
    this.#outProd = (this.#outProd + whole) >>> 0;
    this.set(0, this.#outProd);
  }

  #write(bytes: Uint8Array): void {
    for (const { address, from, count } of runs(this.outPages, this.#outProd, bytes.length)) {
      this.world.core.memory.write(address, bytes.subarray(from, from + count));
    }
  }

  /** Takes the messages that have come in, without padding, and says so. */
  take(): Uint8Array[] {
    const messages: Uint8Array[] = [];
    const prod = this.get(64);
    while (this.#inCons !== prod) {
      const head = this.#read(4);
      const length = head[2]! | (head[3]! << 8);
      if (head[0] !== Message.PAD) messages.push(this.#read(length));
      this.#inCons = (this.#inCons + ((length + 7) & ~7)) >>> 0;
    }
    this.set(64 + 4, this.#inCons);
    this.set(64 + 8, this.#inCons + 1);
    return messages;
  }

  #read(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (const { address, from, count } of runs(this.inPages, this.#inCons, length)) {
      bytes.set(this.world.core.memory.bytes(address, count), from);
    }
    return bytes;
  }
}

/** The pieces in which bytes of a ring lie. */
function* runs(pages: readonly number[], index: number, length: number) {
  for (let from = 0; from < length; ) {
    const at = (index + from) & (pages.length * PAGE_BYTES - 1);
    const count = Math.min(length - from, PAGE_BYTES - (at % PAGE_BYTES));
    yield { address: pages[at >> 12]! + (at % PAGE_BYTES), from, count };
    from += count;
  }
}

export interface FrontOptions extends Partial<Omit<Vif2Options, "plug" | "name" | "bypasses">> {
  readonly domid?: number;
}

export class Vif2Front {
  readonly domid: number;
  readonly mac: string;
  readonly macBytes: Uint8Array;
  readonly backend: Vif2Backend;
  readonly device: XenbusDevice;
  readonly rings: OwnRing[] = [];
  readonly paths: { readonly frontend: string; readonly backend: string };
  #nextGfn = 16;
  #nextRef = 8;

  constructor(
    readonly world: World,
    options: FrontOptions = {},
  ) {
    const { domid = 5, ...rest } = options;
    this.domid = domid;
    this.mac = options.mac ?? `00:16:3e:00:00:0${domid}`;
    this.macBytes = Uint8Array.from(this.mac.split(":"), (byte) => Number.parseInt(byte, 16));
    const { core, channels, log, store, later } = world;
    core.calls.domainCreate(domid, 1, PAGES);
    core.calls.domainAddRam(domid, 0, PAGES);
    this.paths = {
      frontend: `/local/domain/${domid}/device/vif2/0`,
      backend: `/local/domain/0/backend/vif2/${domid}/0`,
    };
    const parts = { core, channels, store: store.local, clock: { now: () => 0 }, log, later };
    const name = `vif${domid}.0`;
    const io = backendIo(parts, domid, name, this.paths, () => this.device);
    const { mac, bypasses } = { mac: this.mac, bypasses: world.bypasses };
    this.backend = new Vif2Backend({ ...rest, name, mac, bypasses, plug: (station) => world.plug(station) });
    this.device = new XenbusDevice(store.local, this.paths, io, this.backend);
    this.device.start({ frontend: { mac }, backend: { mac } });
  }

  write(key: string, value: string): void {
    this.world.store.local.write(`${this.paths.frontend}/${key}`, value);
  }

  key(name: string): string | null {
    return this.world.store.local.read(`${this.paths.backend}/${name}`);
  }

  /** A guest page, and a grant of it. */
  shared(): { readonly ref: number; readonly address: number } {
    const gfn = this.#nextGfn++;
    const ref = this.#nextRef++;
    this.world.core.grants.set(`${this.domid}:${ref}`, gfn);
    return { ref, address: this.world.core.calls.domainPage(this.domid, gfn) };
  }

  /** Makes the rings and says so; the back end has connected when this returns, unless it refused. */
  connect(queues = 1, change: () => void = () => {}): void {
    this.rings.length = 0;
    this.write("multi-queue-num-queues", String(queues));
    for (let queue = 0; queue < queues; queue++) this.#makeRing(`queue-${queue}/`);
    change();
    this.write("state", "4");
    this.world.serve();
  }

  #makeRing(folder: string): void {
    const { calls } = this.world.core;
    const control = this.shared();
    this.write(`${folder}control-gref`, String(control.ref));
    const pages = (name: string, order: number): number[] => {
      this.write(`${folder}${name}-order`, String(order));
      return Array.from({ length: 2 ** order }, (_, page) => {
        const { ref, address } = this.shared();
        this.write(`${folder}${name}-gref-${page}`, String(ref));
        return address;
      });
    };
    const [outPages, inPages] = [pages("prod", OUT_ORDER), pages("cons", IN_ORDER)];
    const port = calls.evtchnAllocUnbound(this.domid, 0);
    this.write(`${folder}event-channel`, String(port));
    this.rings.push(new OwnRing(this.world, control.address, outPages, inPages, port));
  }

  /** Connects, and says what a front end says first. */
  start(queues = 1): void {
    this.connect(queues);
    for (const ring of this.rings) {
      ring.take();
      ring.put(numberMessage(Message.SET_MAX_PACKETS, 64));
      ring.put(offloadMessage({ csum: true, tcpv4: true, tcpv6: true }));
    }
    this.notify();
  }

  notify(): void {
    for (const { port } of this.rings) this.world.core.guestNotify(this.domid, port);
    this.world.serve();
  }

  /** Sends messages, and lets Domain0 look. */
  say(...messages: readonly Uint8Array[]): void {
    for (const message of messages) this.rings[0]!.put(message);
    this.notify();
  }

  /** A frame as a message: its first bytes inline, the rest in pages of its own when there is any. */
  packet(frame: Uint8Array, prefix = frame.length, change: (message: PacketMessage) => void = () => {}): Uint8Array {
    const message = new PacketMessage();
    message.id = 7;
    message.prefix = prefix;
    for (let at = prefix; at < frame.length; at += PAGE_BYTES) {
      const part = frame.subarray(at, at + PAGE_BYTES);
      const { ref, address } = this.shared();
      this.world.core.memory.write(address, part);
      message.sizes[message.fragments] = part.length;
      message.refs[message.fragments++] = ref;
    }
    message.kind = message.fragments > 0 ? PacketKind.RECEIVER_COPY : PacketKind.SMALL;
    change(message);
    const bytes = new Uint8Array(message.prefixAt + message.prefix);
    writePacket(new DataView(bytes.buffer), message);
    bytes.set(frame.subarray(0, prefix), message.prefixAt);
    return bytes;
  }
}

/** A TCP segment of IPv4, to an address and from one, with whatever else in it. */
export function tcpFrame(to: Uint8Array, from: Uint8Array, length: number, port = 1000): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, index) => (index * 7) & 0xff);
  const total = length - 14;
  frame.set(to, 0);
  frame.set(from, 6);
  frame.set([0x08, 0x00, 0x45, 0, total >> 8, total & 0xff, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 12);
  frame.set([port >> 8, port & 0xff, 0, 80], 34);
  frame.set([0x50, 0x10], 46);
  return frame;
}
