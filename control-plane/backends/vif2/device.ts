/**
 * The netchannel2 back end: an interface for a guest's front end that speaks in messages, plugged into a network. It also
 * introduces the guest to others of the network, with whom it then exchanges packets itself.
 */
import type { MappedGrant } from "../../gnttab/index.js";
import { DEFAULT_KEY, Headers, type Packet, parseHeaders, type Station, Toeplitz, type Wire } from "../../net/index.js";
import { err, ok, type Result } from "../../util/index.js";
import type { Backend, BackendIo } from "../backend.js";
import type { Bypasses, BypassMember } from "./bypasses.js";
import { MOST_QUEUES, type RingKeys, readFrontendKeys } from "./keys.js";
import { Vif2Queue, type Vif2QueueParts } from "./queue.js";
import { MessageRing } from "./ring.js";
import { newCounters, restoreVif2, type SavedVif2, saveVif2 } from "./saved.js";

const MOST_BYPASSES = 5;
const FLOWS = new Toeplitz(DEFAULT_KEY);

export interface Vif2Options {
  /** For people. */
  readonly name: string;
  /** "00:16:3e:xx:xx:xx". */
  readonly mac: string;
  /** Plugs the interface into its network. */
  readonly plug: (station: Station) => Wire;
  /** Most queues that the guest may use. */
  readonly queues?: number;
  readonly mtu?: number;
  /** Who introduces guests of this network to each other; nobody when absent. */
  readonly bypasses?: Bypasses;
  readonly mostBypasses?: number;
  /** The guest may send from no other address than its own. */
  readonly filterMac?: boolean;
}

interface Connection {
  readonly wire: Wire;
  readonly queues: readonly Vif2Queue[];
  readonly grants: readonly MappedGrant[];
  readonly member: BypassMember;
}

export class Vif2Backend implements Backend<SavedVif2> {
  readonly #counters = newCounters();
  readonly #mac: Uint8Array;
  readonly #headers = new Headers();
  readonly #station: Station;
  #connection: Connection | null = null;
  #paused = false;

  constructor(private readonly options: Vif2Options) {
    this.#mac = Uint8Array.from(options.mac.split(":"), (byte) => Number.parseInt(byte, 16));
    const each = (work: (queue: Vif2Queue) => void): void => this.#connection?.queues.forEach(work);
    this.#station = {
      name: options.name,
      receive: (packet) => this.#receive(packet),
      settle: () => each((queue) => queue.settle()),
      resume: () => each((queue) => queue.resume()),
    };
  }

  negotiate(io: BackendIo): Result<void> {
    const { queues = MOST_QUEUES, mtu, bypasses, mostBypasses = MOST_BYPASSES, filterMac = false } = this.options;
    io.writeBackend("multi-queue-max-queues", String(Math.min(queues, MOST_QUEUES)));
    io.writeBackend("max-bypasses", String(bypasses === undefined ? 0 : mostBypasses));
    io.writeBackend("filter-mac", filterMac ? "1" : "0");
    if (mtu !== undefined) io.writeBackend("mtu", String(mtu));
    return ok(undefined);
  }

  connect(io: BackendIo): Result<void> {
    const keys = readFrontendKeys(io, Math.min(this.options.queues ?? MOST_QUEUES, MOST_QUEUES));
    if (!keys.ok) return keys;
    const grants: MappedGrant[] = [];
    const rings = openRings(io, keys.value, grants);
    const opened = rings.ok ? this.#open(io, keys.value, rings.value, grants) : rings;
    if (!opened.ok) {
      for (const grant of grants) grant.unmap();
      return opened;
    }
    this.#connection = opened.value;
    this.options.bypasses?.join(opened.value.member);
    for (const queue of opened.value.queues) {
      queue.greet();
      if (this.#paused) queue.pause();
    }
    // Messages may have come before there was somebody to notify.
    io.later(() => this.onEvent());
    return ok(undefined);
  }

  onEvent(): void {
    for (const queue of this.#connection?.queues ?? []) queue.onEvent();
  }

  disconnect(): void {
    const ending = this.#connection;
    this.#connection = null;
    if (ending === null) return;
    for (const queue of ending.queues) queue.stop();
    ending.wire.unplug();
    this.options.bypasses?.leave(ending.member);
    for (const grant of ending.grants) grant.unmap();
  }

  async pause(): Promise<void> {
    this.#paused = true;
    for (const queue of this.#connection?.queues ?? []) queue.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const queue of this.#connection?.queues ?? []) queue.unpause();
  }

  save(): SavedVif2 {
    return saveVif2(this.#counters);
  }

  restore(saved: SavedVif2): Result<void> {
    return restoreVif2(this.#counters, saved);
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#counters, queues: this.#connection?.queues.length ?? 0 };
  }

  /** A packet for the guest goes to the queue of its flow. */
  #receive(packet: Packet): boolean {
    const queues = this.#connection?.queues;
    if (queues === undefined) return true;
    const headers = this.#headers;
    parseHeaders(packet, headers);
    const hash = headers.family === 0 ? 0 : FLOWS.hash(packet.header, headers, true);
    return queues[hash % queues.length]!.receive(packet);
  }

  #open(
    io: BackendIo,
    keys: readonly RingKeys[],
    rings: readonly MessageRing[],
    grants: readonly MappedGrant[],
  ): Result<Connection> {
    const queues: Vif2Queue[] = [];
    const wire = this.options.plug(this.#station);
    const member = this.#member(io, queues);
    const parts = this.#queueParts(io, wire, member, queues);
    for (const [index, ring] of rings.entries()) {
      const queue = new Vif2Queue(parts(index), ring);
      queues.push(queue);
      const channel = io.bindChannel(keys[index]!.port, () => queue.onEvent());
      if (!channel.ok) {
        for (const opened of queues) opened.stop();
        wire.unplug();
        return channel;
      }
      queue.channel = channel.value;
    }
    return ok({ wire, queues, grants, member });
  }

  #member(io: BackendIo, queues: readonly Vif2Queue[]): BypassMember {
    const counters = this.#counters;
    return {
      domid: io.domid,
      mac: this.#mac,
      get queues() {
        return queues.length;
      },
      mostBypasses: this.options.mostBypasses ?? MOST_BYPASSES,
      say: (queue, message) => {
        queues[queue]!.post(message);
        queues[queue]!.settle();
      },
      made: () => {
        counters.bypasses++;
      },
    };
  }

  #queueParts(io: BackendIo, wire: Wire, member: BypassMember, queues: readonly Vif2Queue[]) {
    const { bypasses, filterMac = false } = this.options;
    // Let go of later: it is found out in the middle of work, our own or that of others who have something for the guest.
    const stopAll = (why: string): void => {
      for (const queue of queues) queue.stop();
      io.later(() => {
        if (this.#connection?.queues === queues) io.fail(why);
      });
    };
    return (index: number): Vif2QueueParts => ({
      io,
      wire,
      counters: this.#counters,
      headers: this.#headers,
      onlyMac: filterMac ? this.#mac : null,
      sent: (packet) => bypasses?.sent(member, packet.header),
      bypass: (type, message) => bypasses?.answer(member, index, type, message),
      broken: (why) => stopAll(`queue ${index}: ${why}`),
    });
  }
}

/** Maps the rings' pages; what is mapped is in `grants`, also when something fails. */
function openRings(io: BackendIo, keys: readonly RingKeys[], grants: MappedGrant[]): Result<MessageRing[]> {
  const rings: MessageRing[] = [];
  const map = (refs: readonly number[], readonly: boolean): Result<number[]> => {
    const pages: number[] = [];
    for (const ref of refs) {
      const grant = io.mapGrant(ref, readonly);
      if (!grant.ok) return grant;
      grants.push(grant.value);
      pages.push(grant.value.address);
    }
    return ok(pages);
  };
  for (const { controlRef, inRefs, outRefs } of keys) {
    const control = map([controlRef], false);
    if (!control.ok) return control;
    const inPages = map(inRefs, true);
    if (!inPages.ok) return inPages;
    const outPages = map(outRefs, false);
    if (!outPages.ok) return outPages;
    const ring = new MessageRing({
      memory: io.memory,
      control: control.value[0]!,
      inPages: inPages.value,
      outPages: outPages.value,
    });
    if (!ring.attach()) return err("denied", "the ring's indices contradict each other");
    rings.push(ring);
  }
  return ok(rings);
}
