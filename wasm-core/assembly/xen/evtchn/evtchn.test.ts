import { describe, expect, it } from "vitest";
import { Domain } from "../../../abi/structs/domain.js";
import { Vcpu } from "../../../abi/structs/vcpu.js";
import { type Guest, machineWith, STRUCT } from "../testing/guests.js";

const ESRCH = -3;
const EINVAL = -22;
const EEXIST = -17;
const ENOSPC = -28;
const EPERM = -1;
/** Not a result: the hypercall is to run again. */
const CONTINUE = -(1n << 63n);

async function pair(): Promise<[Guest, Guest]> {
  const [, a, b] = await machineWith([
    [2, 256],
    [2, 256],
  ]);
  return [a as Guest, b as Guest];
}

function connect(a: Guest, b: Guest): [number, number] {
  const pa = a.allocUnbound(b.domid);
  const pb = b.bindInterdomain(a.domid, pa);
  expect(pa).toBeGreaterThan(0);
  expect(pb).toBeGreaterThan(0);
  return [pa, pb];
}

/** Clears the mask bit directly, as a guest does before it first uses a port. */
const open = (g: Guest, port: number) => g.unmask(port);

describe("2-level event channels", () => {
  it("carries a notification to the other domain, once per pending", async () => {
    const [a, b] = await pair();
    const [pa, pb] = connect(a, b);
    open(a, pa);
    expect(a.upcallPending()).toBe(false);
    expect(b.send(pb)).toBe(0);
    expect(a.pending(pa)).toBe(true);
    expect(a.upcallPending()).toBe(true);
    a.clearUpcall();
    b.send(pb);
    expect(a.upcallPending()).toBe(false);
    a.consume(pa);
    b.send(pb);
    expect(a.upcallPending()).toBe(true);
  });

  it("holds a masked event until it is unmasked", async () => {
    const [a, b] = await pair();
    const [pa, pb] = connect(a, b);
    b.send(pb);
    expect(a.pending(pa)).toBe(true);
    expect(a.upcallPending()).toBe(false);
    a.unmask(pa);
    expect(a.upcallPending()).toBe(true);
  });

  it("lets only the named domain bind, and unbinds the other end on close", async () => {
    const [a, b] = await pair();
    const port = a.allocUnbound(7);
    expect(b.bindInterdomain(a.domid, port)).toBe(EINVAL);
    expect(b.bindInterdomain(99, 1)).toBe(ESRCH);
    expect(b.bindInterdomain(a.domid, 4000)).toBe(EINVAL);
    const [pa, pb] = connect(a, b);
    expect(a.close(pa)).toBe(0);
    expect(a.close(pa)).toBe(EINVAL);
    b.evtchn(5, [
      [2, 0x7ff0],
      [4, pb],
      [4, 9],
      [4, 9],
      [8, 0],
    ]);
    expect(b.get(STRUCT + 8n, 4)).toBe(1n);
    expect(b.send(pb)).toBe(0);
    expect(a.pending(pa)).toBe(false);
  });

  it("binds a VIRQ and IPIs per vCPU and refuses what Xen refuses", async () => {
    const [a] = await pair();
    const timer = a.bindVirq(0, 1);
    expect(timer).toBeGreaterThan(0);
    expect(a.bindVirq(0, 1)).toBe(EEXIST);
    expect(a.bindVirq(2, 1)).toBe(EINVAL);
    expect(a.bindVirq(24, 0)).toBe(EINVAL);
    expect(a.bindVirq(0, 9)).toBe(-2);
    expect(a.core.call.virqRaise(a.domid, 1, 0)).toBe(0);
    expect(a.pending(timer)).toBe(true);
    expect(
      a.evtchn(8, [
        [4, timer],
        [4, 0],
      ]),
    ).toBe(EINVAL);
    expect(a.close(timer)).toBe(0);
    expect(a.core.call.virqRaise(a.domid, 1, 0)).toBe(-2);
    const ipi = a.bindIpi(1);
    a.unmask(ipi);
    a.send(ipi);
    expect(a.upcallPending(1)).toBe(true);
    expect(a.upcallPending(0)).toBe(false);
  });

  it("refuses to act for another domain, unknown commands and bad pointers", async () => {
    const [a] = await pair();
    expect(
      a.evtchn(6, [
        [2, 2],
        [2, 1],
        [4, 0],
      ]),
    ).toBe(EPERM);
    expect(a.evtchn(99, [[4, 0]])).toBe(-38);
    expect(a.call(32, 4, 1n << 45n)).toBe(-14);
    expect(a.send(0)).toBe(EINVAL);
    expect(a.send(0xffffffff)).toBe(EINVAL);
  });

  it("gives at most 4096 ports", async () => {
    const [a] = await pair();
    let last = 0;
    for (;;) {
      const port = a.allocUnbound(2);
      if (port < 0) {
        expect(port).toBe(ENOSPC);
        break;
      }
      expect(port).toBe(last + 1);
      last = port;
    }
    expect(last).toBe(4095);
    a.close(17);
    expect(a.allocUnbound(2)).toBe(17);
  });
});

describe("Domain0's ports", () => {
  it("are taken one by one, and its notifications reach the guest", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const guestPort = core.call.evtchnAllocUnbound(1, 0);
    const port = core.call.evtchnBind(1, guestPort);
    expect(port).toBeGreaterThan(0);
    expect(core.call.evtchnTake()).toBe(port);
    expect(core.call.evtchnTake()).toBe(-1);
    (a as Guest).send(guestPort);
    (a as Guest).send(guestPort);
    expect(core.call.evtchnTake()).toBe(port);
    expect(core.call.evtchnTake()).toBe(-1);
    (a as Guest).unmask(guestPort);
    expect(core.call.evtchnNotify(port)).toBe(0);
    expect((a as Guest).upcallPending()).toBe(true);
    expect(core.call.evtchnClose(0, port)).toBe(0);
    expect(core.call.evtchnNotify(port)).toBe(EINVAL);
  });
});

const PENDING = 0x80000000;
const MASKED = 0x40000000;
const LINKED = 0x20000000;

describe("FIFO event channels", () => {
  const ARRAY = 0x40;
  const CONTROL = 0x41;

  function enable(g: Guest): void {
    for (const vcpu of [0, 1])
      expect(
        g.evtchn(11, [
          [8, CONTROL + vcpu],
          [4, 64],
          [4, vcpu],
          [1, 0],
        ]),
      ).toBe(0);
    expect(g.get(STRUCT + 16n, 1)).toBe(17n);
    expect(g.evtchn(12, [[8, ARRAY]])).toBe(0);
  }
  const word = (g: Guest, port: number) => Number(g.get(ARRAY * 4096 + port * 4, 4));
  const setWord = (g: Guest, port: number, v: number) => g.put(ARRAY * 4096 + port * 4, 4, v >>> 0);
  const ready = (g: Guest, vcpu = 0) => Number(g.get((CONTROL + vcpu) * 4096 + 64, 4));
  const head = (g: Guest, q: number, vcpu = 0) => Number(g.get((CONTROL + vcpu) * 4096 + 72 + q * 4, 4));

  it("links events in order, by priority", async () => {
    const [a, b] = await pair();
    enable(a);
    const links = [1, 2, 3].map(() => connect(a, b));
    for (const [pa] of links) {
      expect(word(a, pa)).toBe(MASKED);
      a.unmask(pa);
    }
    const [p0, p1, p2] = links.map(([pa]) => pa) as [number, number, number];
    expect(
      a.evtchn(13, [
        [4, p2],
        [4, 0],
      ]),
    ).toBe(0);
    for (const [, pb] of links) b.send(pb);
    expect(head(a, 7)).toBe(p0);
    expect(word(a, p0) >>> 0).toBe((PENDING | LINKED | p1) >>> 0);
    expect(word(a, p1) >>> 0).toBe((PENDING | LINKED) >>> 0);
    expect(head(a, 0)).toBe(p2);
    expect(ready(a)).toBe((1 << 7) | 1);
    expect(a.upcallPending()).toBe(true);
  });

  it("leaves nothing pending in shared_info for the ports that come after a reset", async () => {
    const [a, b] = await pair();
    const [before, far] = connect(a, b);
    b.send(far);
    expect(a.pending(before)).toBe(true);
    enable(a);
    expect(a.evtchn(10, [[2, 0x7ff0]])).toBe(0);
    a.clearUpcall();
    const [after, sender] = connect(a, b);
    expect(after).toBe(before);
    expect(a.pending(after)).toBe(false);
    a.unmask(after);
    b.send(sender);
    expect(a.pending(after)).toBe(true);
    expect(a.upcallPending()).toBe(true);
  });

  it("starts a new queue after the guest consumed the tail", async () => {
    const [a, b] = await pair();
    enable(a);
    const [pa, pb] = connect(a, b);
    a.unmask(pa);
    b.send(pb);
    setWord(a, pa, 0);
    a.put(CONTROL * 4096 + 64, 4, 0);
    a.put(CONTROL * 4096 + 72 + 28, 4, 0);
    a.clearUpcall();
    b.send(pb);
    expect(head(a, 7)).toBe(pa);
    expect(word(a, pa) >>> 0).toBe((PENDING | LINKED) >>> 0);
    expect(a.upcallPending()).toBe(true);
  });

  it("moves an event to another vCPU's queue", async () => {
    const [a, b] = await pair();
    enable(a);
    const [pa, pb] = connect(a, b);
    a.unmask(pa);
    b.send(pb);
    setWord(a, pa, 0);
    expect(
      a.evtchn(8, [
        [4, pa],
        [4, 1],
      ]),
    ).toBe(0);
    b.send(pb);
    expect(head(a, 7, 1)).toBe(pa);
    expect(a.upcallPending(1)).toBe(true);
  });

  it("keeps what was pending before the switch, and before the array page came", async () => {
    const [a, b] = await pair();
    const [pa, pb] = connect(a, b);
    b.send(pb);
    enable(a);
    expect(word(a, pa) >>> 0).toBe((PENDING | MASKED) >>> 0);
    a.unmask(pa);
    expect(head(a, 7)).toBe(pa);
  });

  it("survives any contents of array and control block", async () => {
    const [a, b] = await pair();
    enable(a);
    const links = [1, 2, 3, 4].map(() => connect(a, b));
    for (let i = 0; i < 400; i++) {
      const [pa, pb] = links[i % 4] as [number, number];
      setWord(a, pa, (Math.imul(i, 2654435761) ^ (i << 7)) >>> 0);
      a.put(CONTROL * 4096 + 64 + ((i * 4) % 72), 4, (i * 40503) >>> 0);
      expect(b.send(pb)).toBe(0);
      expect(a.unmask(pa)).toBe(0);
      if (i % 50 === 0)
        a.evtchn(13, [
          [4, pa],
          [4, i % 16],
        ]);
    }
  });

  it("closes many ports on a reset in slices, and only then leaves the ABI", async () => {
    const [a, b] = await pair();
    enable(a);
    const last = 1500;
    let port = 0;
    while (port < last) port = a.allocUnbound(b.domid);
    const args = a.struct([[2, 0x7ff0]]);
    const fifo = () => a.core.u32(a.dom + Domain.off.evtFifo);
    expect(a.core.call.callOnce(a.vcpu(), 32, 10n, args, 0n, 1)).toBe(CONTINUE);
    expect(fifo()).not.toBe(0);
    expect(b.bindInterdomain(a.domid, last), "not reached yet").toBeGreaterThan(0);
    expect(a.call(32, 10, args)).toBe(0);
    expect(fifo()).toBe(0);
    for (port = 1; port <= last; port++) expect(b.bindInterdomain(a.domid, port), `port ${port}`).toBe(EINVAL);
  });

  it("refuses bad control blocks and returns to 2-level on reset, giving pages back", async () => {
    const [a] = await pair();
    expect(
      a.evtchn(11, [
        [8, CONTROL],
        [4, 4],
        [4, 0],
        [1, 0],
      ]),
    ).toBe(EINVAL);
    expect(
      a.evtchn(11, [
        [8, CONTROL],
        [4, 4088],
        [4, 0],
        [1, 0],
      ]),
    ).toBe(EINVAL);
    expect(
      a.evtchn(11, [
        [8, 1n << 40n],
        [4, 0],
        [4, 0],
        [1, 0],
      ]),
    ).toBe(EINVAL);
    expect(a.evtchn(12, [[8, ARRAY]])).toBe(EINVAL);
    enable(a);
    expect(
      a.evtchn(11, [
        [8, CONTROL],
        [4, 64],
        [4, 0],
        [1, 0],
      ]),
    ).toBe(EINVAL);
    expect(a.evtchn(10, [[2, 0x7ff0]])).toBe(0);
    expect(a.core.u32(a.dom + Domain.off.evtFifo)).toBe(0);
  });
});

describe("upcalls", () => {
  it("go through the local APIC with a vector of HVMOP 23, also for events that wait already", async () => {
    const [a, b] = await pair();
    const [pa, pb] = connect(a, b);
    a.unmask(pa);
    b.send(pb);
    const lapic = a.core.u32(a.vcpu() + Vcpu.off.lapic);
    expect(a.core.u32(lapic)).toBe(0);
    expect(
      a.call(
        34,
        23,
        a.struct([
          [4, 0],
          [1, 0xf3],
        ]),
      ),
    ).toBe(0);
    expect(a.core.u32(lapic)).toBe(0xf3);
    expect(
      a.call(
        34,
        23,
        a.struct([
          [4, 0],
          [1, 3],
        ]),
      ),
    ).toBe(EINVAL);
    expect(
      a.call(
        34,
        23,
        a.struct([
          [4, 77],
          [1, 0x30],
        ]),
      ),
    ).toBe(-2);
    expect(a.core.call.pendingVector(a.vcpu())).toBe(-1);
  });

  it("or directly, with a vector of HVM_PARAM_CALLBACK_IRQ type 2", async () => {
    const [a, b] = await pair();
    const [pa, pb] = connect(a, b);
    a.unmask(pa);
    expect(
      a.call(
        34,
        0,
        a.struct([
          [2, 0x7ff0],
          [4, 0],
          [8, (2n << 56n) | 0xf3n],
        ]),
      ),
    ).toBe(0);
    expect(a.core.call.pendingVector(a.vcpu())).toBe(-1);
    b.send(pb);
    expect(a.core.call.pendingVector(a.vcpu())).toBe(0xf3);
    a.clearUpcall();
    expect(a.core.call.pendingVector(a.vcpu())).toBe(-1);
  });
});
