/** A machine with guests for tests: memory, hypercalls and structures in the guest's own terms. */
import { Domain } from "../../../abi/structs/domain.js";
import { SharedInfo, VcpuInfo, XenVcpu } from "../../../abi/structs/xen.js";
import { Vcpu } from "../../../abi/structs/vcpu.js";
import { type TestCore, testCore } from "./harness.js";

export const PAGE = 4096;
/** Where a test guest keeps its hypercall structures, and lists behind it. */
export const STRUCT = 0x10000n;
export const LIST = 0x20000n;

export class Guest {
  readonly dom: number;
  constructor(
    readonly core: TestCore,
    readonly domid: number,
  ) {
    this.dom = core.call.domainAddress(domid) >>> 0;
  }

  vcpu(n = 0): number {
    return this.core.call.vcpuAddress(this.domid, n) >>> 0;
  }

  xen(n = 0): number {
    return this.core.u32(this.vcpu(n) + Vcpu.off.xen);
  }

  /** Machine address of guest-physical `gpa`. */
  at(gpa: number | bigint): number {
    const page = this.core.call.domainPage(this.domid, Number(BigInt(gpa) >> 12n)) >>> 0;
    if (page === 0) throw new Error(`gpa ${gpa.toString(16)} is not memory`);
    return page + Number(BigInt(gpa) & 0xfffn);
  }

  put(gpa: number | bigint, size: 1 | 2 | 4 | 8, value: number | bigint): void {
    // The page first: populating it may grow memory, and views of before do not reach it.
    const at = this.at(gpa);
    const view = this.core.view();
    if (size === 1) view.setUint8(at, Number(value));
    else if (size === 2) view.setUint16(at, Number(value), true);
    else if (size === 4) view.setUint32(at, Number(value), true);
    else view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  }

  get(gpa: number | bigint, size: 1 | 2 | 4 | 8): bigint {
    const at = this.at(gpa);
    const view = this.core.view();
    if (size === 1) return BigInt(view.getUint8(at));
    if (size === 2) return BigInt(view.getUint16(at, true));
    return size === 4 ? BigInt(view.getUint32(at, true)) : view.getBigUint64(at, true);
  }

  /** Lays out [size, value] pairs at natural alignment at `gpa`. */
  struct(fields: [1 | 2 | 4 | 8, number | bigint][], gpa: bigint = STRUCT): bigint {
    let at = gpa;
    for (const [size, value] of fields) {
      at = (at + BigInt(size) - 1n) & -BigInt(size);
      this.put(at, size, value);
      at += BigInt(size);
    }
    return gpa;
  }

  call(nr: number, a0: number | bigint = 0, a1: number | bigint = 0, a2: number | bigint = 0, vcpu = 0): number {
    const u = (v: number | bigint) => BigInt.asUintN(64, BigInt(v));
    return Number(this.core.call.call(this.vcpu(vcpu), nr, u(a0), u(a1), u(a2), 0n, 0n));
  }

  /** A hypercall of 32-bit code. */
  call32(nr: number, a0: number | bigint = 0, a1: number | bigint = 0, a2: number | bigint = 0, vcpu = 0): number {
    const u = (v: number | bigint) => Number(BigInt.asIntN(32, BigInt(v)));
    return this.core.call.callNarrow(this.vcpu(vcpu), nr, u(a0), u(a1), u(a2), 0, 0);
  }

  // --- event channels
  evtchn(cmd: number, fields: [1 | 2 | 4 | 8, number | bigint][], vcpu = 0): number {
    return this.call(32, cmd, this.struct(fields), 0, vcpu);
  }
  allocUnbound(remote: number): number {
    const result = this.evtchn(6, [
      [2, 0x7ff0],
      [2, remote],
      [4, 0],
    ]);
    return result < 0 ? result : Number(this.get(STRUCT + 4n, 4));
  }
  bindInterdomain(remote: number, port: number): number {
    const result = this.evtchn(0, [
      [2, remote],
      [4, port],
      [4, 0],
    ]);
    return result < 0 ? result : Number(this.get(STRUCT + 8n, 4));
  }
  bindVirq(virq: number, vcpu = 0): number {
    const result = this.evtchn(1, [
      [4, virq],
      [4, vcpu],
      [4, 0],
    ]);
    return result < 0 ? result : Number(this.get(STRUCT + 8n, 4));
  }
  bindIpi(vcpu = 0): number {
    const result = this.evtchn(7, [
      [4, vcpu],
      [4, 0],
    ]);
    return result < 0 ? result : Number(this.get(STRUCT + 4n, 4));
  }
  send(port: number): number {
    return this.evtchn(4, [[4, port]]);
  }
  unmask(port: number): number {
    return this.evtchn(9, [[4, port]]);
  }
  close(port: number): number {
    return this.evtchn(3, [[4, port]]);
  }

  info(n = 0): number {
    return this.core.u32(this.xen(n) + XenVcpu.off.info);
  }
  upcallPending(n = 0): boolean {
    return this.core.view().getUint8(this.info(n) + VcpuInfo.off.upcallPending) !== 0;
  }
  clearUpcall(n = 0): void {
    this.core.view().setUint8(this.info(n) + VcpuInfo.off.upcallPending, 0);
    this.core.view().setBigUint64(this.info(n) + VcpuInfo.off.pendingSel, 0n, true);
  }
  sharedInfo(): number {
    return this.core.u32(this.dom + Domain.off.sharedInfo);
  }
  pending(port: number): boolean {
    const word = this.core
      .view()
      .getBigUint64(this.sharedInfo() + SharedInfo.off.evtchnPending + (port >> 6) * 8, true);
    return ((word >> BigInt(port & 63)) & 1n) !== 0n;
  }
  consume(port: number): void {
    const at = this.sharedInfo() + SharedInfo.off.evtchnPending + (port >> 6) * 8;
    const view = this.core.view();
    view.setBigUint64(at, view.getBigUint64(at, true) & ~(1n << BigInt(port & 63)), true);
  }
}

/** A started machine with one guest per entry: [vCPUs, pages of RAM]. Domain numbers from 1. */
export async function machineWith(
  guests: [number, number][],
  pcpus = 2,
  deterministic = 0,
): Promise<[TestCore, ...Guest[]]> {
  const core = await testCore("xen/testing/entry.ts");
  const result = core.call.machineInit(16384, pcpus, deterministic, 1, 2);
  if (result !== 0) throw new Error(`machineInit: ${result}`);
  const made = guests.map(([vcpus, pages], i) => {
    const domid = i + 1;
    const created = core.call.domainCreate(domid, vcpus, pages + 1024);
    if (created !== 0) throw new Error(`domainCreate: ${created}`);
    core.call.domainAddRam(domid, 0, pages);
    return new Guest(core, domid);
  });
  return [core, ...made];
}
