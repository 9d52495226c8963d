/** A port: what one station sees of a switch, and what the switch and people see of the station. */

import { formatMac, parseIp, parseMac } from "../addresses.js";
import { Capture, type CaptureListener, type CaptureOptions, Direction } from "../capture/index.js";
import type { Packet } from "../packet.js";
import type { Station, Wire } from "../station.js";
import { Counters, Drop, type PortCounters } from "./counters.js";
import type { MacOwner } from "./mac-table.js";
import { type Impairment, type ImpairmentStats, Pipe, type PipeParts } from "./pipe.js";
import { SourceFilter } from "./source-filter.js";
import { PortVlans, type VlanOptions } from "./vlan.js";

export interface PortOptions extends VlanOptions {
  /** In lists and captures; the station's when absent. */
  readonly name?: string;
  /** The station's address: it is known before it speaks, and nobody else's frames can draw its own away. */
  readonly mac?: string;
  /** Drops frames from any other MAC address. */
  readonly checkMac?: boolean;
  /** Drops ARP, IPv4 and IPv6 from any other address. */
  readonly ip?: readonly string[];
  /** Gets every frame of its VLANs, not only those for it. */
  readonly promiscuous?: boolean;
}

/** A line of a list of ports. */
export interface PortInfo {
  readonly name: string;
  readonly up: boolean;
  readonly mac: string | null;
  readonly vlan: number;
  readonly trunk: boolean;
  /** The station has no room at the moment. */
  readonly full: boolean;
  /** Addresses learned behind it. */
  readonly macs: number;
  readonly counters: PortCounters;
  readonly impairment: { readonly in: ImpairmentStats | null; readonly out: ImpairmentStats | null };
}

/** What a port needs of its switch. */
export interface Fabric extends Pick<PipeParts, "clock" | "timer" | "random"> {
  forward(from: Port, packet: Packet): boolean;
  /** `port` got a frame in this batch. */
  touch(port: Port): void;
  settle(): void;
  /** The link went up or down. */
  linkChanged(port: Port): void;
  remove(port: Port): void;
}

/** Somebody records the frames of a port. */
export interface TapPoint {
  readonly capture: Capture;
  readonly interfaceId: number;
  readonly records: { readonly in: boolean; readonly out: boolean };
}

/** How long a full station holds its senders up. */
const PATIENCE_MS = 1000;
const PATIENCE_NS = PATIENCE_MS * 1e6;

export class Port implements Wire, MacOwner {
  readonly name: string;
  readonly mac: Uint8Array | null;
  readonly checksMac: boolean;
  readonly filter: SourceFilter | null;
  readonly vlans: PortVlans;
  readonly promiscuous: boolean;
  readonly count = new Counters();
  taps: readonly TapPoint[] = [];
  isUp = true;
  isPlugged = true;
  /** Got a frame since its last `settle`. */
  isTouched = false;
  /** A flow that the station's last frame was of: see FlowTable. */
  lastFlow = -1;
  // MacOwner
  macs = 0;
  oldestMac = -1;
  newestMac = -1;
  /** The station has no room, and since when; stuck when it has been so for too long. */
  #isFull = false;
  #fullSince = 0;
  #isStuck = false;
  readonly #waiters: Port[] = [];
  #cancelPatience: (() => void) | null = null;
  #in: Pipe | null = null;
  #out: Pipe | null = null;

  /** Throws a RangeError when the options make no sense. */
  constructor(
    readonly station: Station,
    private readonly fabric: Fabric,
    options: PortOptions,
  ) {
    this.name = options.name ?? station.name;
    this.vlans = new PortVlans(options);
    this.mac = options.mac === undefined ? null : required(parseMac(options.mac), options.mac);
    this.checksMac = options.checkMac ?? false;
    if (this.checksMac && this.mac === null) throw new RangeError("checkMac needs the address: mac");
    const ip = options.ip?.map((text) => required(parseIp(text), text));
    this.filter = ip === undefined ? null : new SourceFilter(ip);
    this.promiscuous = options.promiscuous ?? false;
  }

  send(packet: Packet): boolean {
    if (!this.isPlugged) return true;
    if (!this.isUp) {
      this.countIn(packet);
      this.count.dropsIn[Drop.DOWN]!++;
      return true;
    }
    if (this.taps.length > 0) this.record(Direction.IN, packet);
    if (this.#in?.isOver === true) this.#in = null;
    if (this.#in !== null) {
      this.countIn(packet);
      this.#in.put(packet);
    } else if (this.fabric.forward(this, packet)) {
      this.countIn(packet);
    } else {
      this.count.refused++;
      if (this.taps.length > 0) this.#undoRecord(Direction.IN);
      return false;
    }
    return true;
  }

  settle(): void {
    this.fabric.settle();
  }

  room(): void {
    this.#isFull = false;
    this.#isStuck = false;
    this.#cancelPatience?.();
    this.#cancelPatience = null;
    this.#out?.resume();
    this.#wakeWaiters();
  }

  unplug(): void {
    if (!this.isPlugged) return;
    this.isPlugged = false;
    this.isUp = false;
    this.#in?.close();
    this.#out?.close();
    this.fabric.remove(this);
    this.room();
  }

  /** Takes the link down, or up again. While it is down, frames both ways are dropped. */
  setUp(up: boolean): void {
    if (!this.isPlugged || this.isUp === up) return;
    this.isUp = up;
    if (!up) {
      this.#in?.close();
      this.#out?.close();
    }
    this.fabric.linkChanged(this);
    if (!up) this.#wakeWaiters();
  }

  /** Makes the line bad, or good again with null: frames from the station (`in`) and to it (`out`). */
  impair(lines: { readonly in?: Impairment | null; readonly out?: Impairment | null }): void {
    if (lines.in !== undefined && (lines.in !== null || this.#in !== null)) {
      this.#in ??= this.#pipe(
        (packet) => this.fabric.forward(this, packet),
        (reason) => this.count.dropsIn[reason]!++,
      );
      this.#in.set(lines.in);
    }
    if (lines.out !== undefined && (lines.out !== null || this.#out !== null)) {
      this.#out ??= this.#pipe(
        (packet) => this.#give(packet),
        (reason) => this.count.dropsOut[reason]!++,
      );
      this.#out.set(lines.out);
    }
  }

  /** Records the frames that the station sends and gets. */
  tap(listener: CaptureListener, options: CaptureOptions = {}): Capture {
    const { clock, timer } = this.fabric;
    const capture = new Capture(listener, { clock, timer, closed: () => this.removeTap(capture) }, options);
    this.addTap(capture, { in: true, out: true });
    return capture;
  }

  addTap(capture: Capture, records: TapPoint["records"]): void {
    this.taps = [...this.taps, { capture, interfaceId: capture.addInterface(this.name, this.mac), records }];
  }

  removeTap(capture: Capture): void {
    this.taps = this.taps.filter((tap) => tap.capture !== capture);
  }

  counters(): PortCounters {
    return this.count.plain();
  }

  info(): PortInfo {
    return {
      name: this.name,
      up: this.isUp,
      mac: this.mac === null ? null : formatMac(this.mac),
      vlan: this.vlans.own,
      trunk: this.vlans.isTrunk,
      full: this.#isFull,
      macs: this.macs,
      counters: this.counters(),
      impairment: { in: this.#in?.stats ?? null, out: this.#out?.stats ?? null },
    };
  }

  // What follows is for the switch.

  /** Whether `hand` answers false without a look at the frame. */
  get isFull(): boolean {
    return this.#isFull && (this.#out === null || this.#out.isOver);
  }

  /** Passes a frame to the station or onto its line. False: there is no room. */
  hand(packet: Packet): boolean {
    if (this.#out?.isOver === true) this.#out = null;
    if (this.#out === null) return !this.#isFull && this.#give(packet);
    this.#out.put(packet);
    return true;
  }

  /** Whether `from` is to keep a frame for this port, which is full; it will be woken. Not for ever. */
  holdsUp(from: Port, now: number): boolean {
    if (this.#isStuck || now - this.#fullSince > PATIENCE_NS) return false;
    if (!this.#waiters.includes(from)) this.#waiters.push(from);
    this.#cancelPatience ??= this.fabric.timer(PATIENCE_MS, () => this.#losePatience());
    return true;
  }

  /** Something that this port waited for has room. */
  wake(): void {
    if (!this.isPlugged) return;
    this.#in?.resume();
    this.station.resume();
  }

  countIn(packet: Packet): void {
    this.count.framesIn++;
    this.count.bytesIn += packet.length;
  }

  record(direction: Direction, packet: Packet): void {
    for (const { capture, interfaceId, records } of this.taps)
      if (direction === Direction.IN ? records.in : records.out) capture.record(interfaceId, direction, packet);
  }

  #undoRecord(direction: Direction): void {
    for (const { capture, interfaceId, records } of this.taps)
      if (direction === Direction.IN ? records.in : records.out) capture.undo(interfaceId);
  }

  #give(packet: Packet): boolean {
    if (this.taps.length > 0) this.record(Direction.OUT, packet);
    if (!this.station.receive(packet)) {
      if (this.taps.length > 0) this.#undoRecord(Direction.OUT);
      this.#isFull = true;
      this.#fullSince = this.fabric.clock.now();
      return false;
    }
    if (!this.isTouched) this.fabric.touch(this);
    this.count.framesOut++;
    this.count.bytesOut += packet.length;
    return true;
  }

  #losePatience(): void {
    this.#cancelPatience = null;
    if (!this.#isFull) return;
    if (this.fabric.clock.now() - this.#fullSince <= PATIENCE_NS) {
      const left = PATIENCE_NS - (this.fabric.clock.now() - this.#fullSince);
      this.#cancelPatience = this.fabric.timer(Math.floor(left / 1e6) + 1, () => this.#losePatience());
      return;
    }
    this.#isStuck = true;
    this.#wakeWaiters();
  }

  /** Lets those who wait send again, in the order in which they came. Who gets nothing through keeps its place. */
  #wakeWaiters(): void {
    const waiters = this.#waiters;
    for (let n = waiters.length; n > 0 && waiters.length > 0; n--) {
      const waiter = waiters.shift()!;
      const before = this.count.framesOut;
      waiter.wake();
      if (!this.#isFull || this.#isStuck || !this.isUp) continue;
      if (this.count.framesOut === before && waiters.at(-1) === waiter) waiters.unshift(waiters.pop()!);
      return;
    }
  }

  #pipe(deliver: PipeParts["deliver"], drop: PipeParts["drop"]): Pipe {
    const { clock, timer, random } = this.fabric;
    return new Pipe({ clock, timer, random, deliver, drop, settle: () => this.fabric.settle() });
  }
}

function required<T>(value: T | null, text: string): T {
  if (value === null) throw new RangeError(`${text} is not an address`);
  return value;
}
