/**
 * The network back end: an interface for a guest's xen-netfront. Negotiates with its keys, maps its rings, and plugs it
 * into the network. [XEN] io/netif.h
 */
import { PAGE_BYTES } from "../../core-link/index.js";
import type { EventChannel } from "../../evtchn/index.js";
import type { MappedGrant } from "../../gnttab/index.js";
import type { Station, Wire } from "../../net/index.js";
import { BackRing } from "../../ring/index.js";
import { err, ok, type Result } from "../../util/index.js";
import type { Backend, BackendIo } from "../backend.js";
import { CONTROL_SLOT_BYTES, RX_SLOT_BYTES, TX_SLOT_BYTES } from "./codec.js";
import { Connection } from "./connection.js";
import { ControlRing } from "./control.js";
import { Credit, DEFAULT_RATE_WINDOW_US } from "./credit.js";
import { Groups } from "./groups.js";
import { type FrontendKeys, type QueueKeys, readFrontendKeys, wantsMulticastControl } from "./keys.js";
import { RxQueue } from "./rx.js";
import { checkSaved, newQueueCounters, type QueueCounters, type SavedVif, saveVif } from "./saved.js";
import { Steering } from "./steering.js";
import { TxQueue } from "./tx.js";

export const DEFAULT_MTU = 1500;
const NO_LIMIT = { bytesPerSecond: null, windowUs: DEFAULT_RATE_WINDOW_US };

export interface VifOptions {
  /** What the station is called: vif5.0, or what the configuration says. */
  readonly name: string;
  /** "00:16:3e:xx:xx:xx": the guest's address. */
  readonly mac: string;
  /** Most queues that the guest may use. */
  readonly queues: number;
  /** 1500 when absent. */
  readonly mtu?: number;
  /** Called when the front end has connected; the wire is unplugged when it is gone. */
  readonly plug: (station: Station) => Wire;
  /** Runs work after so many milliseconds; answers what calls it off. */
  readonly timer: (ms: number, work: () => void) => () => void;
}

/** Keys that the toolstack writes before the handshake, as XenbusDevice.start takes them. */
export interface VifKeys {
  readonly frontend: Record<string, string>;
  readonly backend: Record<string, string>;
}

/** What has to be let go of again. */
interface Held {
  readonly grants: MappedGrant[];
  readonly channels: EventChannel[];
}

export class VifBackend implements Backend<SavedVif> {
  readonly #counters: QueueCounters[] = [];
  readonly #groups = new Groups();
  #steering = new Steering();
  #connection: Connection | null = null;
  #grants: readonly MappedGrant[] = [];
  #endWatch: () => void = () => {};
  /** What the front end said before it was saved still holds. */
  #isRestored = false;
  #paused = false;
  #filtered = 0;
  #rate: { readonly bytesPerSecond: number | null; readonly windowUs: number } = NO_LIMIT;
  /** The guest's, and not a connection's: who connects anew may send no more for that. */
  #credit: Credit | null = null;

  constructor(private readonly options: VifOptions) {}

  /** Lets the guest send so many bytes per second from now on, counted over windows of so long; null is no limit. */
  limit(bytesPerSecond: number | null, windowUs = DEFAULT_RATE_WINDOW_US): void {
    this.#rate = { bytesPerSecond, windowUs };
    this.#credit?.limit(bytesPerSecond, windowUs);
  }

  /** What the front end looks for in its own directory, and people in ours. `handle` is the number of the device. */
  keys(handle: number): VifKeys {
    const { mac, mtu = DEFAULT_MTU } = this.options;
    const shared = { mac, handle: String(handle), mtu: String(mtu) };
    return { frontend: shared, backend: shared };
  }

  negotiate(io: BackendIo): Result<void> {
    const write = (key: string, value: number) => io.writeBackend(key, String(value));
    write("feature-rx-copy", 1);
    write("feature-rx-flip", 0);
    write("feature-sg", 1);
    write("feature-gso-tcpv4", 1);
    write("feature-gso-tcpv6", 1);
    write("feature-ipv6-csum-offload", 1);
    write("feature-multicast-control", 1);
    write("feature-dynamic-multicast-control", 1);
    write("feature-split-event-channels", 1);
    write("feature-ctrl-ring", 1);
    write("feature-xdp-headroom", 0);
    write("multi-queue-max-queues", this.options.queues);
    io.writeBackend("hotplug-status", "connected");
    return ok(undefined);
  }

  connect(io: BackendIo): Result<void> {
    const keys = readFrontendKeys(io, this.options.queues);
    if (!keys.ok) return keys;
    if (!this.#isRestored) this.#forget();
    this.#isRestored = false;
    const held: Held = { grants: [], channels: [] };
    const connection = this.#build(io, keys.value, held);
    if (!connection.ok) {
      for (const channel of held.channels) channel.close();
      for (const grant of held.grants) grant.unmap();
      return connection;
    }
    this.#connection = connection.value;
    this.#grants = held.grants;
    this.#endWatch = io.watchFrontend("request-multicast-control", () => {
      this.#groups.active = wantsMulticastControl(io);
    });
    if (this.#paused) connection.value.pause();
    connection.value.open(this.options.plug);
    // Requests may have come before there was somebody to notify.
    io.later(() => this.onEvent());
    return ok(undefined);
  }

  onEvent(): void {
    this.#connection?.look();
  }

  disconnect(): void {
    const ending = this.#connection;
    if (ending === null) return;
    this.#connection = null;
    this.#filtered += ending.filtered;
    this.#endWatch();
    ending.close();
    for (const grant of this.#grants) grant.unmap();
    this.#grants = [];
  }

  /** Everything is done at once: nothing is ever under way. */
  async pause(): Promise<void> {
    this.#paused = true;
    this.#connection?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#connection?.unpause();
  }

  save(): SavedVif {
    const groups = this.#groups.list();
    return saveVif({ counters: this.#counters, groups, steering: this.#steering.save() });
  }

  restore(saved: SavedVif): Result<void> {
    const checked = checkSaved(saved);
    if (!checked.ok) return checked;
    saved.counters.forEach((counters, queue) => {
      Object.assign(this.#countersOf(queue), counters);
    });
    this.#groups.restore(saved.groups);
    this.#steering.restore(saved.steering);
    this.#isRestored = true;
    return ok(undefined);
  }

  /** Counters by name, as the guest sees it: rx is what it receives. Of all queues, and of each as "queue0.rxFrames". */
  stats(): Readonly<Record<string, number>> {
    const stats: Record<string, number> = { ...newQueueCounters() };
    this.#counters.forEach((counters, queue) => {
      for (const [name, count] of Object.entries(counters)) {
        stats[name]! += count;
        stats[`queue${queue}.${name}`] = count;
      }
    });
    stats.rxFiltered = this.#filtered + (this.#connection?.filtered ?? 0);
    stats.queues = this.#connection?.queues.length ?? 0;
    return stats;
  }

  /** A front end that comes anew says again what it wants. */
  #forget(): void {
    this.#groups.restore([]);
    this.#steering = new Steering();
  }

  #countersOf(queue: number): QueueCounters {
    this.#counters[queue] ??= newQueueCounters();
    return this.#counters[queue];
  }

  #creditOf(io: BackendIo): Credit {
    if (this.#credit === null) {
      const { timer } = this.options;
      this.#credit = new Credit({ clock: io.clock, timer, ready: () => this.#connection?.credited() });
      this.#credit.limit(this.#rate.bytesPerSecond, this.#rate.windowUs);
    }
    return this.#credit;
  }

  #build(io: BackendIo, keys: FrontendKeys, held: Held): Result<Connection> {
    const { name } = this.options;
    const credit = this.#creditOf(io);
    const connection = new Connection({ name, groups: this.#groups, steering: this.#steering, credit });
    /** Not at once: it is found out in the middle of the work. */
    const broken = (why: string): void => {
      io.later(() => {
        if (this.#connection === connection) io.fail(why);
      });
    };
    for (const queue of keys.queues) {
      const opened = this.#openQueue(io, queue, { connection, capabilities: keys.capabilities, credit, broken }, held);
      if (!opened.ok) return opened;
    }
    if (keys.control === null) return ok(connection);
    const ring = this.#openRing(io, keys.control.ref, CONTROL_SLOT_BYTES, held);
    if (!ring.ok) return ring;
    const queues = keys.queues.length;
    const control = new ControlRing({ io, ring: ring.value, steering: this.#steering, queues, broken });
    connection.control = control;
    const channel = this.#openChannel(io, keys.control.port, () => control.look(), held);
    if (!channel.ok) return channel;
    control.channel = channel.value;
    return ok(connection);
  }

  #openQueue(
    io: BackendIo,
    keys: QueueKeys,
    shared: {
      readonly connection: Connection;
      readonly capabilities: FrontendKeys["capabilities"];
      readonly credit: Credit;
      readonly broken: (why: string) => void;
    },
    held: Held,
  ): Result<void> {
    const { connection, capabilities, credit, broken } = shared;
    const txRing = this.#openRing(io, keys.txRef, TX_SLOT_BYTES, held);
    if (!txRing.ok) return txRing;
    const rxRing = this.#openRing(io, keys.rxRef, RX_SLOT_BYTES, held);
    if (!rxRing.ok) return rxRing;
    const counters = this.#countersOf(connection.queues.length);
    const { mtu = DEFAULT_MTU, timer } = this.options;
    const room = () => connection.wire.room();
    const wire = () => connection.wire;
    const tx = new TxQueue({ io, ring: txRing.value, counters, groups: this.#groups, credit, wire, broken });
    const steering = this.#steering;
    const rx = new RxQueue({ io, ring: rxRing.value, counters, capabilities, steering, mtu, timer, room, broken });
    connection.queues.push({ tx, rx });
    const isShared = keys.txPort === keys.rxPort;
    const txChannel = this.#openChannel(io, keys.txPort, () => lookAt(tx, isShared ? rx : null), held);
    if (!txChannel.ok) return txChannel;
    const rxChannel = isShared ? txChannel : this.#openChannel(io, keys.rxPort, () => rx.look(), held);
    if (!rxChannel.ok) return rxChannel;
    tx.channel = txChannel.value;
    rx.channel = rxChannel.value;
    return ok(undefined);
  }

  #openRing(io: BackendIo, ref: number, slotBytes: number, held: Held): Result<BackRing> {
    const grant = io.mapGrant(ref);
    if (!grant.ok) return grant;
    held.grants.push(grant.value);
    const ring = new BackRing({ memory: io.memory, address: grant.value.address, bytes: PAGE_BYTES, slotBytes });
    return ring.attach() ? ok(ring) : err("denied", "a ring's indices contradict each other");
  }

  #openChannel(io: BackendIo, port: number, handler: () => void, held: Held): Result<EventChannel> {
    const channel = io.bindChannel(port, handler);
    if (channel.ok) held.channels.push(channel.value);
    return channel;
  }
}

/** One channel for both rings: buffers first, since what is sent may come back. */
function lookAt(tx: TxQueue, rx: RxQueue | null): void {
  rx?.look();
  tx.look();
}
