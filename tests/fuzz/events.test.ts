/**
 * Guests that write anything into what they share with the hypervisor for event channels and time, while events are
 * sent: nothing traps, Domain0 does not throw, nothing outside the guests changes, and a neighbour goes on as before.
 */
import { expect, it } from "vitest";
import type { DomId } from "../../control-plane/api/index.js";
import { Domain, DomainStat } from "../../wasm-core/abi/structs/domain.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { XenVcpu } from "../../wasm-core/abi/structs/xen.js";
import type { Random } from "../support/random.js";
import { Canary } from "./canary.js";
import { EVENT_GUEST_MIB, eventKernel, GIVEN_GFN, GIVEN_PAGES, SHARED_GFN, type Target } from "./event-guest.js";
import { notifierKernel } from "./notifier.js";
import { OneThreadMachine } from "./one-thread.js";
import { fuzz, randomOf } from "./seeds.js";

const FRAMES = 16384;
const CANARY = 500;
const SEEDS = 3;
/** Pages that stand between those of guests, at most. */
const FENCES = 128;
const ROUNDS = 8;
const TURNS = 12;
/** Machine time of a turn: credits are given out some times in a round. */
const TURN_NS = 5e6;
const MOST_SLICES = 4000;
const ATTACKERS = 2;
/** What a machine keeps of domains that are gone, at most. */
const KEPT_KIB = 1024;
const VCPUS = 2;
/** Events that Domain0 sends between two looks of the guest. */
const SENDS = 40;

class Attack {
  #names = 0;
  #ports = new Map<DomId, number[]>();

  constructor(
    readonly machine: OneThreadMachine,
    readonly random: Random,
    private readonly kernel: Uint8Array,
    private readonly canary: Canary,
  ) {}

  async start(): Promise<void> {
    const name = `spoils${++this.#names}`;
    const domid = await this.machine.host.create({
      name,
      kernel: this.kernel,
      memoryMiB: EVENT_GUEST_MIB,
      vcpus: VCPUS,
      onCrash: "destroy",
    });
    const { call } = this.machine.core;
    // Behind each page that the guest will give away there is one of somebody else's.
    for (let i = 0; i < GIVEN_PAGES; i++) {
      call.domainPage(domid, GIVEN_GFN + i);
      this.canary.plant();
    }
    const bound = Array.from({ length: 4 }, () => call.evtchnBind(domid, call.evtchnAllocUnbound(domid, 0)));
    this.#ports.set(domid, bound);
  }

  get live(): DomId[] {
    const ids = [...this.machine.toolstack.registry.all()].map(({ domid }) => domid);
    return ids.filter((domid) => this.#ports.has(domid));
  }

  /** The machine addresses of pages that a guest has given away, those that are there. */
  pages(domid: DomId): number[] {
    const { call } = this.machine.core;
    const gfns = [SHARED_GFN, ...Array.from({ length: GIVEN_PAGES }, (_, i) => GIVEN_GFN + i)];
    return gfns.map((gfn) => call.domainPeek(domid, gfn) >>> 0).filter((page) => page !== 0);
  }

  /** What another vCPU of the guest could write, and what its neighbours and Domain0 send meanwhile. */
  stir(domid: DomId): void {
    const { machine, random } = this;
    const { call } = machine.core;
    const pages = this.pages(domid);
    const ports = this.#ports.get(domid)!;
    const view = new DataView(machine.core.memory.buffer);
    for (let i = 0; i < SENDS; i++) {
      if (pages.length > 0 && random.once(2))
        view.setUint32(random.pick(pages) + 4 * random.below(1024), random.u32(), true);
      if (random.once(3)) call.virqRaise(domid, random.below(VCPUS + 1), random.below(25));
      call.evtchnNotify(random.pick(ports));
    }
  }
}

/** Something of the neighbour that goes on while it is well. */
function progress(machine: OneThreadMachine, domid: DomId): { sends: bigint; shutdown: number; instructions: bigint } {
  const view = new DataView(machine.core.memory.buffer);
  const domain = machine.core.call.domainAddress(domid) >>> 0;
  const vcpu = machine.core.call.vcpuAddress(domid, 0) >>> 0;
  return {
    sends: view.getBigUint64(domain + Domain.off.stats + 8 * Number(DomainStat.values.EVTCHN_SENDS), true),
    shutdown: view.getUint32(domain + Domain.off.shutdown, true),
    instructions: view.getBigUint64(vcpu + Vcpu.off.icount, true),
  };
}

/** How far the guests got: a fuzzer whose guests die at once proves nothing. */
class Reach {
  hypercalls = 0;
  upcalls = 0;
  timers = 0;
  fifo = 0;
  areas = 0;

  look({ machine, live }: Attack): void {
    const { call, memory } = machine.core;
    const view = new DataView(memory.buffer);
    for (const domid of live) {
      const domain = call.domainAddress(domid) >>> 0;
      const x = view.getUint32((call.vcpuAddress(domid, 0) >>> 0) + Vcpu.off.xen, true);
      const stat = (n: number | bigint) => Number(view.getBigUint64(domain + Domain.off.stats + 8 * Number(n), true));
      this.hypercalls = Math.max(this.hypercalls, stat(DomainStat.values.HYPERCALLS));
      this.upcalls = Math.max(this.upcalls, stat(DomainStat.values.UPCALLS));
      this.timers = Math.max(this.timers, stat(DomainStat.values.TIMER_FIRES));
      this.fifo = Math.max(this.fifo, view.getUint32(domain + Domain.off.evtArrayCount, true));
      const registered = [XenVcpu.off.infoMfn, XenVcpu.off.runstateSet, XenVcpu.off.timeSet];
      this.areas = Math.max(this.areas, registered.filter((at) => view.getUint32(x + at, true) !== 0).length);
    }
  }
}

/** Runs until so much machine time has passed. Most slices are short: somebody waits, or somebody else is woken. */
async function runFor(machine: OneThreadMachine, ns: number): Promise<void> {
  const until = machine.core.call.machineNow() + ns;
  for (let i = 0; i < MOST_SLICES && machine.core.call.machineNow() < until; i++) await machine.run(1);
}

async function attack(seed: number, target: Target): Promise<Reach> {
  const random = randomOf(seed);
  const machine = await OneThreadMachine.create(FRAMES, seed);
  const canary = new Canary(machine.core, CANARY, FENCES);
  const config = { name: "neighbour", kernel: await notifierKernel(false), memoryMiB: 4, vcpus: 1 };
  const neighbour = await machine.host.create(config);
  const attack = new Attack(machine, random, await eventKernel(seed, target), canary);
  const reach = new Reach();
  const before = await machine.host.info();
  for (let round = 0; round < ROUNDS; round++) {
    while (attack.live.length < ATTACKERS) await attack.start();
    const was = progress(machine, neighbour);
    for (let turn = 0; turn < TURNS; turn++) {
      await runFor(machine, TURN_NS);
      for (const domid of attack.live) attack.stir(domid);
    }
    canary.check();
    reach.look(attack);
    const now = progress(machine, neighbour);
    expect(now.shutdown).toBe(0);
    expect(now.instructions).toBeGreaterThan(was.instructions);
    expect(now.sends).toBeGreaterThan(was.sends);
  }
  for (const domid of attack.live) await machine.host.destroy(domid);
  await machine.run(4);
  expect((await machine.host.list()).map(({ name }) => name)).toEqual(["neighbour"]);
  expect(await machine.host.xenstoreRead(`/local/domain/${neighbour}/name`)).toBe("neighbour");
  canary.check();
  // Structs of domains that were are kept for the next; nothing else stays behind.
  expect((await machine.host.info()).usedKiB - before.usedKiB).toBeLessThan(KEPT_KIB);
  return reach;
}

it("event arrays, control blocks and bitmaps may hold anything", { timeout: 600_000 }, () =>
  fuzz("event channels", SEEDS, async (seed) => {
    const reach = await attack(seed, "events");
    expect(reach.hypercalls).toBeGreaterThan(10_000);
    expect(reach.upcalls).toBeGreaterThan(300);
    expect(reach.fifo).toBeGreaterThan(0);
  }),
);

it("vcpu_infos, runstate areas and time records may lie and hold anything", { timeout: 600_000 }, () =>
  fuzz("vCPU areas", SEEDS, async (seed) => {
    const reach = await attack(seed, "areas");
    expect(reach.upcalls).toBeGreaterThan(100);
    expect(reach.timers).toBeGreaterThan(10);
    expect(reach.areas).toBe(3);
  }),
);
