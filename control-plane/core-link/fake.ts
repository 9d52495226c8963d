/**
 * A core without a processor, for tests of Domain0: domains, guest pages and event channels are kept in maps over a
 * plain buffer, with the same structures at the same offsets. A test plays the guest through `guest*`.
 */
import { Domain, DomainState, ShutdownReason } from "../../wasm-core/abi/structs/domain.js";
import { LOG_BYTES, MACHINE_BASE, MACHINE_MAGIC, Machine } from "../../wasm-core/abi/structs/machine.js";
import { PlatformState } from "../../wasm-core/abi/structs/platform.js";
import { DEFAULT_TIMESLICE } from "../../wasm-core/abi/structs/sched.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import type { CoreCalls, CoreLink } from "./core.js";
import { MachineMemory, PAGE_BYTES } from "./memory.js";
import { StructView } from "./struct-view.js";

const ESRCH = -3;
const EEXIST = -17;
const ENOMEM = -12;
const EINVAL = -22;
const ALL_ONES = 0xffffffff;
const HEAP_BASE = 0x40000;
const MAX_FAKE_VCPUS = 128;

interface FakePort {
  readonly domid: number;
  readonly port: number;
  peer?: FakePort;
  pending: boolean;
}

interface FakeDomain {
  readonly address: number;
  readonly vcpus: number[];
  readonly ram: [number, number][];
  readonly pages: Map<number, number>;
  readonly params: Map<number, [number, number]>;
  /** Start addresses of the memory map's entries. */
  readonly map: number[];
  readonly ports: Map<number, FakePort>;
  started?: { eip: number; ebx: number };
  nextPort: number;
}

export class FakeCore implements CoreLink {
  readonly memory: MachineMemory;
  readonly calls: CoreCalls;
  readonly #domains = new Map<number, FakeDomain>();
  readonly #domain0Ports = new Map<number, FakePort>();
  /** Addresses to use again, by length. */
  readonly #freed = new Map<number, number[]>();
  #next = HEAP_BASE;
  #nextDomain0Port = 1;
  now = 0;
  /** What grants answer: `domid:ref` to a gfn. */
  readonly grants = new Map<string, number>();
  /** Mappings that Domain0 has. */
  mappedGrants = 0;
  readonly triggers: { domid: number; vcpu: number; trigger: number }[] = [];
  readonly serialNotifies: number[] = [];
  readonly virqs: { domid: number; virq: number }[] = [];
  /** How many times destroying answers -EBUSY first. */
  busyDestroys = 0;

  constructor(readonly bytes = 64 * 1024 * 1024) {
    const buffer = new SharedArrayBuffer(bytes);
    this.memory = new MachineMemory({ buffer, grow: () => bytes / 65536 });
    this.calls = this.#makeCalls();
  }

  // --- the guest's part, for tests

  domain(domid: number): FakeDomain {
    const domain = this.#domains.get(domid);
    if (!domain) throw new Error(`no domain ${domid}`);
    return domain;
  }

  guestParam(domid: number, index: number): number {
    return this.domain(domid).params.get(index)?.[0] ?? 0;
  }

  /** Machine address of a guest page that the builder has populated. */
  guestPage(domid: number, gfn: number): number {
    return this.calls.domainPage(domid, gfn);
  }

  guestBytes(domid: number, gpa: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const part = Math.min(length - at, PAGE_BYTES - ((gpa + at) % PAGE_BYTES));
      const page = this.calls.domainPeek(domid, Math.floor((gpa + at) / PAGE_BYTES));
      if (page !== 0) bytes.set(this.memory.bytes(page + ((gpa + at) % PAGE_BYTES), part), at);
      at += part;
    }
    return bytes;
  }

  /** The guest sends on its port; Domain0's doorbell is rung. */
  guestNotify(domid: number, port: number): void {
    const peer = this.domain(domid).ports.get(port)?.peer;
    if (peer) peer.pending = true;
    this.ringDoorbell();
  }

  /** Whether Domain0 has notified the guest's port; cleared by asking. */
  guestTakePending(domid: number, port: number): boolean {
    const own = this.domain(domid).ports.get(port);
    const pending = own?.pending ?? false;
    if (own) own.pending = false;
    return pending;
  }

  guestShutdown(domid: number, reason: number, exitStatus = ALL_ONES): void {
    const view = new StructView(this.memory, Domain, this.domain(domid).address);
    view.set("shutdownReason", reason);
    view.set("exitStatus", exitStatus);
    view.set("shutdown", 1);
    this.ringDoorbell();
  }

  ringDoorbell(): void {
    this.memory.ring(MACHINE_BASE + Machine.off.doorbell);
  }

  // --- the core's part

  #allocate(length: number): number {
    const reused = this.#freed.get(length)?.pop();
    if (reused !== undefined) {
      this.memory.fill(reused, length, 0);
      return reused;
    }
    const at = (this.#next + PAGE_BYTES - 1) & -PAGE_BYTES;
    if (at + length > this.bytes) return 0;
    this.#next = at + length;
    return at;
  }

  #free(address: number, length: number): void {
    if (address !== 0) this.#freed.set(length, [...(this.#freed.get(length) ?? []), address]);
  }

  #makeCalls(): CoreCalls {
    return {
      ...this.#machineCalls(),
      ...this.#domainCalls(),
      ...this.#pageCalls(),
      ...this.#eventCalls(),
      jitStart: () => 0,
      grantMap: (domid, ref) => {
        const gfn = this.grants.get(`${domid}:${ref}`);
        if (gfn === undefined) return -3;
        this.mappedGrants++;
        return this.calls.domainPage(domid, gfn);
      },
      grantUnmap: () => {
        this.mappedGrants--;
        return 0;
      },
    };
  }

  #machineCalls() {
    return {
      machineInit: (_frames: number, pcpus: number, deterministic: number): number => {
        const machine = new StructView(this.memory, Machine, MACHINE_BASE);
        machine.set("pcpus", pcpus);
        machine.set("deterministic", deterministic);
        machine.set("timeslice", DEFAULT_TIMESLICE);
        machine.set("logBase", this.#allocate(LOG_BYTES));
        machine.set("magic", MACHINE_MAGIC);
        return 0;
      },
      machineFreeFrames: () =>
        Math.floor((this.bytes - this.#next) / PAGE_BYTES) + (this.#freed.get(PAGE_BYTES)?.length ?? 0),
      machineTotalFrames: () => this.bytes / PAGE_BYTES,
      machineNow: () => this.now,
    };
  }

  #domainCalls() {
    const domain = (domid: number) => this.#domains.get(domid);
    return {
      domainCreate: (domid: number, maxVcpus: number, maxPages: number): number => {
        if (domain(domid)) return EEXIST;
        if (maxVcpus < 1 || maxVcpus > MAX_FAKE_VCPUS) return EINVAL;
        return this.#createDomain(domid, maxVcpus, maxPages);
      },
      domainDestroy: (domid: number): number => {
        if (this.busyDestroys > 0) return this.busyDestroys-- && -16;
        const dying = domain(domid);
        if (!dying) return ESRCH;
        this.#freed.set(PAGE_BYTES, [...(this.#freed.get(PAGE_BYTES) ?? []), ...dying.pages.values()]);
        for (const vcpu of dying.vcpus) this.#free(vcpu, Vcpu.size);
        this.#free(new StructView(this.memory, Domain, dying.address).get("platformState"), PlatformState.size);
        this.#free(dying.address, Domain.size);
        for (const port of dying.ports.values()) if (port.peer) delete port.peer.peer;
        this.#domains.delete(domid);
        return 0;
      },
      domainAddress: (domid: number) => domain(domid)?.address ?? 0,
      vcpuAddress: (domid: number, vcpu: number) => domain(domid)?.vcpus[vcpu] ?? 0,
      vcpuStartPvh: (domid: number, _vcpu: number, eip: number, ebx: number): number => {
        const started = domain(domid);
        if (!started) return ESRCH;
        started.started = { eip, ebx };
        return 0;
      },
      domainPause: (domid: number) => this.#adjustPause(domid, 1),
      domainUnpause: (domid: number) => this.#adjustPause(domid, -1),
      domainQuiescent: () => 1,
      vcpuSetAffinity: (domid: number, vcpu: number, soft: number, ...words: number[]): number => {
        const address = domain(domid)?.vcpus[vcpu];
        if (address === undefined) return EINVAL;
        const state = new StructView(this.memory, Vcpu, address);
        words.forEach((word, index) => {
          state.set(soft ? "softAffinity" : "affinity", word, index);
        });
        return 0;
      },
      hvmParamSet: (domid: number, index: number, lo: number, hi: number): number => {
        domain(domid)?.params.set(index, [lo, hi]);
        return 0;
      },
      hvmParamGet: (domid: number, index: number): number => domain(domid)?.params.get(index)?.[0] ?? 0,
      domainSetPlatform: (domid: number, flags: number): number => {
        const target = domain(domid);
        if (!target) return ESRCH;
        const view = new StructView(this.memory, Domain, target.address);
        view.set("platform", flags);
        view.set("platformState", this.#allocate(PlatformState.size));
        return 0;
      },
      domainShutdown: (domid: number, reason: number): number => {
        if (!domain(domid)) return ESRCH;
        this.guestShutdown(domid, reason);
        return 0;
      },
      domainResume: (domid: number): number => (domain(domid) ? 0 : ESRCH),
      serialNotify: (domid: number): void => {
        this.serialNotifies.push(domid);
      },
      vcpuTrigger: (domid: number, vcpu: number, trigger: number): number => {
        this.triggers.push({ domid, vcpu, trigger });
        return 0;
      },
    };
  }

  #createDomain(domid: number, maxVcpus: number, maxPages: number): number {
    const address = this.#allocate(Domain.size);
    const vcpus = Array.from({ length: maxVcpus }, () => this.#allocate(Vcpu.size));
    if (address === 0 || vcpus.includes(0)) return ENOMEM;
    const view = new StructView(this.memory, Domain, address);
    view.set("domid", domid);
    view.set("state", Number(DomainState.values.LIVE));
    view.set("pauseCount", 1);
    view.set("shutdownReason", Number(ShutdownReason.values.NONE));
    view.set("exitStatus", ALL_ONES);
    view.set("maxVcpus", maxVcpus);
    view.set("maxPages", maxPages);
    vcpus.forEach((vcpu, index) => {
      const state = new StructView(this.memory, Vcpu, vcpu);
      state.set("id", index);
      state.set("apicId", index * 2);
      state.set("online", index === 0 ? 1 : 0);
      state.set("pcpu", ALL_ONES);
      for (const set of ["affinity", "softAffinity"] as const) {
        for (let word = 0; word < 4; word++) state.set(set, ALL_ONES, word);
      }
      view.set("vcpus", vcpu, index);
    });
    const [pages, params, ports] = [new Map(), new Map(), new Map()];
    this.#domains.set(domid, { address, vcpus, ram: [], map: [], pages, params, ports, nextPort: 1 });
    return 0;
  }

  #adjustPause(domid: number, by: number): number {
    const domain = this.#domains.get(domid);
    if (!domain) return ESRCH;
    const view = new StructView(this.memory, Domain, domain.address);
    view.set("pauseCount", view.get("pauseCount") + by);
    return 0;
  }

  #pageCalls() {
    const isRam = (domain: FakeDomain, gfn: number) =>
      domain.ram.some(([start, count]) => gfn >= start && gfn < start + count);
    return {
      domainAddRam: (domid: number, startGfn: number, count: number): number => {
        const domain = this.#domains.get(domid);
        if (!domain) return ESRCH;
        domain.ram.push([startGfn, count]);
        return 0;
      },
      domainPage: (domid: number, gfn: number): number => {
        const domain = this.#domains.get(domid);
        if (!domain || !isRam(domain, gfn)) return 0;
        const page = domain.pages.get(gfn) ?? this.#allocate(PAGE_BYTES);
        if (page !== 0 && !domain.pages.has(gfn)) {
          domain.pages.set(gfn, page);
          new StructView(this.memory, Domain, domain.address).set("totPages", domain.pages.size);
        }
        return page;
      },
      domainPin: (domid: number, gfn: number): number => this.calls.domainPage(domid, gfn),
      domainHold: (domid: number, gfn: number): number => this.calls.domainPeek(domid, gfn),
      domainUnpin: (_address: number): void => {},
      domainAddMapEntry: (domid: number, addressLow: number, addressHigh: number): number => {
        const domain = this.#domains.get(domid);
        domain?.map.push(addressHigh * 0x1_0000_0000 + addressLow);
        return domain ? 0 : ESRCH;
      },
      domainPeek: (domid: number, gfn: number): number => this.#domains.get(domid)?.pages.get(gfn) ?? 0,
    };
  }

  #eventCalls() {
    return {
      evtchnAllocUnbound: (domid: number, _remote: number): number => {
        const domain = this.#domains.get(domid);
        if (!domain) return ESRCH;
        const port = { domid, port: domain.nextPort++, pending: false };
        domain.ports.set(port.port, port);
        return port.port;
      },
      evtchnBind: (remote: number, remotePort: number): number => {
        const other = this.#domains.get(remote)?.ports.get(remotePort);
        if (!other || other.peer) return EINVAL;
        const port: FakePort = { domid: 0, port: this.#nextDomain0Port++, pending: false, peer: other };
        other.peer = port;
        this.#domain0Ports.set(port.port, port);
        return port.port;
      },
      evtchnNotify: (port: number): number => {
        const peer = this.#domain0Ports.get(port)?.peer;
        if (!peer) return EINVAL;
        peer.pending = true;
        return 0;
      },
      evtchnClose: (domid: number, port: number): number => {
        const ports = domid === 0 ? this.#domain0Ports : this.#domains.get(domid)?.ports;
        const closing = ports?.get(port);
        if (!closing) return EINVAL;
        if (closing.peer) delete closing.peer.peer;
        ports?.delete(port);
        return 0;
      },
      virqRaise: (domid: number, _vcpu: number, virq: number): number => {
        this.virqs.push({ domid, virq });
        return 0;
      },
      evtchnTake: (): number => {
        for (const port of this.#domain0Ports.values()) {
          if (!port.pending) continue;
          port.pending = false;
          return port.port;
        }
        return -1;
      },
    };
  }
}
