/**
 * A learning switch, as a good bridge of an operating system is one: frames for a known address go to its port, others
 * to all ports of their VLAN, none back to where it came from. See the folder's README for the way of a frame. What
 * guests send cannot make it throw, grow, or carry a frame from one VLAN into another.
 *
 * Left out on purpose: spanning trees (a loop of links stays a loop) and IGMP snooping (a station filters for itself).
 */
import type { Clock, Random } from "../../util/index.js";
import { formatMac } from "../addresses.js";
import { Capture, type CaptureListener, type CaptureOptions, type Timer } from "../capture/index.js";
import { ETHERNET_BYTES, EtherType, Headers, parseHeaders } from "../offload/index.js";
import { Packet } from "../packet.js";
import type { Station } from "../station.js";
import { Drop } from "./counters.js";
import { type Flow, FlowTable } from "./flow-table.js";
import { MAC_LIMITS, type MacLimits, MacTable, macHigh } from "./mac-table.js";
import { type Fabric, Port, type PortInfo, type PortOptions, type TapPoint } from "./port.js";
import { retag, TAG_BYTES, Tagging, VID_MASK } from "./vlan.js";

export interface SwitchParts {
  readonly name: string;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly macLimits?: Partial<MacLimits>;
  /** Most flows that are remembered. */
  readonly flows?: number;
}

/** An address and where it is. */
export interface MacInfo {
  readonly mac: string;
  readonly vlan: number;
  readonly port: string;
  readonly static: boolean;
  /** Since it was heard last; a static one was perhaps never. */
  readonly ageSeconds: number;
}

export interface SwitchStats {
  readonly ports: number;
  readonly macs: number;
  /** Addresses that were not learned: too many, or somebody else's for good. */
  readonly macsRefused: number;
  readonly macsEvicted: number;
  readonly flows: number;
  readonly flowsForgotten: number;
}

const FLOWS = 1024;
/** Sends after which the clock is read again although the batch is not over. */
const SENDS_PER_LOOK = 64;
/** 01:80:c2:00:00:00 to 0f. [IEEE-802.1Q] 8.6.3 */
const RESERVED_HIGH = 0x0180;
const RESERVED_LOW = 0xc2000000;
const GROUP_BIT = 0x0100;

export class Switch {
  readonly name: string;
  /** Replaced, not changed, so that who goes through it is not disturbed. */
  #ports: readonly Port[] = [];
  #promiscuous: readonly Port[] = [];
  readonly #macs: MacTable<Port>;
  readonly #flows: FlowTable;
  readonly #headers = new Headers();
  readonly #captures = new Set<Capture>();
  /** Ports that got frames in this batch, the first `#touchedCount`. */
  readonly #touched: Port[] = [];
  #touchedCount = 0;
  #isSettling = false;
  /** The time, looked up once in a while. */
  #now = 0;
  #sendsToLook = 0;
  /** Of the frame at hand, until it is passed on. */
  #vlan = 0;
  #tagging: Tagging = Tagging.NONE;
  /** Packets for frames whose tag was changed. */
  readonly #spare: Packet[] = [];
  readonly #fabric: Fabric;

  constructor(private readonly parts: SwitchParts) {
    const { name, clock, timer, random } = parts;
    this.name = name;
    this.#macs = new MacTable(random, () => this.#ports, { ...MAC_LIMITS, ...parts.macLimits });
    this.#flows = new FlowTable(random, parts.flows ?? FLOWS);
    this.#fabric = {
      clock,
      timer,
      random,
      forward: (from, packet) => this.#forward(from, packet),
      touch: (port) => this.#touch(port),
      settle: () => this.#settle(),
      linkChanged: (port) => this.#macs.flush(port),
      remove: (port) => this.#remove(port),
    };
  }

  get ports(): readonly Port[] {
    return this.#ports;
  }

  /** Throws a RangeError when the options make no sense. */
  plug(station: Station, options: PortOptions = {}): Port {
    const port = new Port(station, this.#fabric, options);
    this.#ports = [...this.#ports, port];
    if (port.promiscuous) this.#promiscuous = [...this.#promiscuous, port];
    if (port.mac !== null) {
      const view = new DataView(port.mac.buffer);
      this.#macs.addStatic(port, macHigh(port.vlans.own, view.getUint16(0)), view.getUint32(2), this.parts.clock.now());
    }
    for (const capture of this.#captures) port.addTap(capture, ENTERING);
    return port;
  }

  /** Records every frame once, where it comes in. */
  tap(listener: CaptureListener, options: CaptureOptions = {}): Capture {
    const { clock, timer } = this.parts;
    const closed = (): void => {
      this.#captures.delete(capture);
      for (const port of this.#ports) port.removeTap(capture);
    };
    const capture = new Capture(listener, { clock, timer, closed }, options);
    this.#captures.add(capture);
    for (const port of this.#ports) port.addTap(capture, ENTERING);
    return capture;
  }

  /** Who talks to whom, the latest first. */
  flows(): Flow[] {
    return this.#flows.list(this.parts.clock.now());
  }

  macs(): MacInfo[] {
    const now = this.parts.clock.now();
    return this.#macs.list(now).map(({ owner, vlan, bytes, isStatic, seen }) => ({
      mac: formatMac(bytes),
      vlan,
      port: owner.name,
      static: isStatic,
      ageSeconds: Math.floor((now - seen) / 1e9),
    }));
  }

  list(): PortInfo[] {
    return this.#ports.map((port) => port.info());
  }

  stats(): SwitchStats {
    return {
      ports: this.#ports.length,
      macs: this.#macs.size,
      macsRefused: this.#macs.refused,
      macsEvicted: this.#macs.evicted,
      flows: this.#flows.size,
      flowsForgotten: this.#flows.forgotten,
    };
  }

  /** False: the one port that the frame is for has no room, and `from` is woken when it has. */
  #forward(from: Port, packet: Packet): boolean {
    const now = this.#time();
    const refusal = this.#admit(from, packet);
    if (refusal >= 0) {
      from.count.dropsIn[refusal]!++;
      return true;
    }
    packet.payer = from.mac;
    const vlan = this.#vlan;
    const tagging = this.#tagging;
    const view = packet.headerView;
    const first16 = view.getUint16(0);
    this.#macs.learn(from, macHigh(vlan, view.getUint16(6)), view.getUint32(8), now);
    const flow = this.#flows.find(packet, this.#headers, vlan, from.lastFlow, now);
    const isGroup = (first16 & GROUP_BIT) !== 0;
    const to = isGroup ? null : this.#macs.lookup(macHigh(vlan, first16), view.getUint32(2), now);
    if (to === from) {
      from.count.dropsIn[Drop.HAIRPIN]!++;
      return true;
    }
    if (to === null) this.#flood(from, packet, vlan, tagging);
    else if (!this.#unicast(from, to, packet, vlan, tagging, now)) return false;
    else if (this.#promiscuous.length > 0) this.#mirror(from, to, packet, vlan, tagging);
    from.lastFlow = flow;
    this.#flows.add(flow, packet.length, now);
    return true;
  }

  /** Reads the headers; says why the frame is not taken, or -1, and then which VLAN it is of. */
  #admit(from: Port, packet: Packet): Drop | -1 {
    if (packet.headerLength < ETHERNET_BYTES) return Drop.RUNT;
    const view = packet.headerView;
    const source16 = view.getUint16(6);
    const source32 = view.getUint32(8);
    if ((source16 & GROUP_BIT) !== 0 || (source16 | source32) === 0) return Drop.SOURCE;
    if (from.checksMac && !isMac(from.mac!, view)) return Drop.SPOOFED;
    if (view.getUint16(0) === RESERVED_HIGH && (view.getUint32(2) & 0xfffffff0) >>> 0 === RESERVED_LOW)
      return Drop.RESERVED;
    this.#vlan = from.vlans.own;
    this.#tagging = Tagging.NONE;
    if (view.getUint16(12) === EtherType.VLAN) {
      if (packet.headerLength < ETHERNET_BYTES + TAG_BYTES) return Drop.RUNT;
      const vid = view.getUint16(14) & VID_MASK;
      const tagging = from.vlans.taggingOf(vid);
      if (tagging === null) return Drop.VLAN;
      this.#tagging = tagging;
      if (tagging === Tagging.TAGGED) this.#vlan = vid;
    } else if (!from.vlans.admits(this.#vlan, Tagging.NONE)) {
      return Drop.VLAN;
    }
    parseHeaders(packet, this.#headers);
    if (from.filter !== null && !from.filter.allows(packet, this.#headers)) return Drop.ADDRESS;
    return -1;
  }

  #unicast(from: Port, to: Port, packet: Packet, vlan: number, tagging: Tagging, now: number): boolean {
    if (!to.isUp) to.count.dropsOut[Drop.DOWN]!++;
    else if (!to.vlans.admits(vlan, tagging)) to.count.dropsOut[Drop.VLAN]!++;
    else if (!this.#hand(to, packet, vlan, tagging)) {
      if (to.holdsUp(from, now)) return false;
      to.count.dropsOut[Drop.FULL]!++;
    }
    return true;
  }

  #flood(from: Port, packet: Packet, vlan: number, tagging: Tagging): void {
    for (const to of this.#ports) if (to !== from) this.#offer(to, packet, vlan, tagging);
  }

  /** A frame for one port, for those who want all. */
  #mirror(from: Port, to: Port, packet: Packet, vlan: number, tagging: Tagging): void {
    for (const port of this.#promiscuous) if (port !== from && port !== to) this.#offer(port, packet, vlan, tagging);
  }

  /** Passes on one of several copies of a frame; who has no room goes without. */
  #offer(to: Port, packet: Packet, vlan: number, tagging: Tagging): void {
    if (!to.vlans.admits(vlan, tagging)) return;
    if (!to.isUp) {
      if (to.isPlugged) to.count.dropsOut[Drop.DOWN]!++;
    } else if (!this.#hand(to, packet, vlan, tagging)) {
      to.count.dropsOut[Drop.FULL]!++;
    }
  }

  /** False: no room. */
  #hand(to: Port, packet: Packet, vlan: number, tagging: Tagging): boolean {
    if (!to.vlans.changes(vlan, tagging)) return to.hand(packet);
    if (to.isFull) return false;
    const bytes = retag(packet, vlan, tagging);
    if (bytes === null) {
      to.count.dropsOut[Drop.LONG]!++;
      return true;
    }
    const copy = this.#spare.pop() ?? new Packet(null);
    copy.wrapLike(bytes, packet);
    const taken = to.hand(copy);
    this.#spare.push(copy);
    return taken;
  }

  #time(): number {
    if (this.#sendsToLook === 0) {
      this.#sendsToLook = SENDS_PER_LOOK;
      this.#now = this.parts.clock.now();
    }
    this.#sendsToLook--;
    return this.#now;
  }

  #touch(port: Port): void {
    port.isTouched = true;
    if (this.#touchedCount === this.#touched.length) this.#touched.push(port);
    else this.#touched[this.#touchedCount] = port;
    this.#touchedCount++;
  }

  /** Tells those who got something. What they send at once belongs to the same batch. */
  #settle(): void {
    this.#sendsToLook = 0;
    if (this.#isSettling) return;
    this.#isSettling = true;
    for (let i = 0; i < this.#touchedCount; i++) {
      const port = this.#touched[i]!;
      port.isTouched = false;
      if (port.isPlugged) port.station.settle();
    }
    this.#touchedCount = 0;
    this.#isSettling = false;
  }

  #remove(port: Port): void {
    this.#ports = this.#ports.filter((other) => other !== port);
    this.#promiscuous = this.#promiscuous.filter((other) => other !== port);
    this.#macs.forget(port);
    port.taps = [];
    // Keeps no port that is gone.
    if (this.#touchedCount === 0) this.#touched.length = 0;
  }
}

/** A recording of the whole switch. */
const ENTERING: TapPoint["records"] = { in: true, out: false };

function isMac(mac: Uint8Array, view: DataView): boolean {
  for (let i = 0; i < 6; i++) if (mac[i] !== view.getUint8(6 + i)) return false;
  return true;
}
