/**
 * Boots a guest program on the core in this thread, in deterministic time, and collects what it prints on the debug
 * console until it writes to the exit port.
 */
import { CrashReason, Domain, ShutdownReason } from "../../../wasm-core/abi/structs/domain.js";
import { PlatformFlag, PlatformState, SERIAL_OUT_BYTES } from "../../../wasm-core/abi/structs/platform.js";
import { PcpuExit } from "../../../wasm-core/abi/structs/sched.js";
import { Vcpu } from "../../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../../support/core.js";
import { TestRegions } from "../../support/regions.js";
import { type GuestProgram, ORIGIN } from "./program.js";

const DOMID = 1;
const FRAMES = 16384;
/** 48 MiB of RAM. */
const RAM_PAGES = 12288;
/** A program that takes so long has lost its way, ms. */
const LIMIT_MS = 20_000;
const NONE = 0xffffffff;
const ALL_DEVICES = Object.values(PlatformFlag.values).reduce((all: number, flag) => all | Number(flag), 0);

const assembler = new Assembler(await loadTable());

/** How a program ended. */
export interface Result {
  readonly output: string;
  /** From the exit port, (value << 1) | 1; null when it never wrote there. */
  readonly status: number | null;
  /** Why it stopped, and where, when it did not end by the exit port. */
  readonly stopped: string;
  /** Why the hypervisor crashed it, when it did. */
  readonly crash?: string;
  /** Instructions that its first processor did in regions. */
  readonly inRegions: bigint;
}

export const assembleProgram = (p: GuestProgram) => assembler.assemble(p.source, { origin: ORIGIN });

function load(core: TestCore, image: { bytes: Uint8Array }): void {
  for (let at = 0; at < image.bytes.length; at += 4096) {
    const page = core.call.domainPage(DOMID, (ORIGIN + at) >> 12) >>> 0;
    if (page === 0) throw new Error("the machine has no memory left");
    new Uint8Array(core.memory.buffer).set(image.bytes.subarray(at, at + 4096), page);
  }
}

const nameOf = (values: Readonly<Record<string, number | bigint>>, value: number): string | undefined =>
  Object.entries(values).find(([, n]) => Number(n) === value)?.[0];

class Machine {
  output = "";

  constructor(private readonly core: TestCore) {}

  get #view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  domain(offset: number): number {
    return this.#view.getUint32((this.core.call.domainAddress(DOMID) >>> 0) + offset, true);
  }

  /** Takes what has come out of the serial ring. */
  drain(): void {
    const view = this.#view;
    const state = this.domain(Domain.off.platformState);
    const produced = view.getUint32(state + PlatformState.off.serialOutProd, true);
    let consumed = view.getUint32(state + PlatformState.off.serialOutCons, true);
    const bytes: number[] = [];
    while (consumed !== produced) {
      bytes.push(view.getUint8(state + PlatformState.off.serialOut + (consumed % SERIAL_OUT_BYTES)));
      consumed = (consumed + 1) >>> 0;
    }
    view.setUint32(state + PlatformState.off.serialOutCons, consumed, true);
    if (bytes.length > 0) this.core.call.serialNotify(DOMID);
    this.output += String.fromCharCode(...bytes);
  }

  get #cpu(): number {
    return this.core.call.vcpuAddress(DOMID, 0) >>> 0;
  }

  where(): string {
    return `RIP ${this.#view.getBigUint64(this.#cpu + Vcpu.off.rip, true).toString(16)}`;
  }

  get ended(): boolean {
    return this.domain(Domain.off.exitStatus) !== NONE || this.domain(Domain.off.shutdownReason) !== NONE;
  }

  result(): Result {
    const status = this.domain(Domain.off.exitStatus);
    const reason = this.domain(Domain.off.shutdownReason);
    const name = nameOf(ShutdownReason.values, reason);
    const stopped =
      status !== NONE ? "" : reason === NONE ? `still running at ${this.where()}` : `${name} at ${this.where()}`;
    const crashed =
      reason === Number(ShutdownReason.values.CRASH)
        ? nameOf(CrashReason.values, this.domain(Domain.off.crashReason))
        : undefined;
    return {
      output: this.output,
      status: status === NONE ? null : status,
      stopped,
      inRegions: this.#view.getBigUint64(this.#cpu + Vcpu.off.regionInstructions, true),
      ...(crashed === undefined ? {} : { crash: crashed }),
    };
  }
}

/**
 * Runs a program to its end.
 * @param threshold runs of a block before a region is made of it; without one there are none
 */
export async function runProgram(p: GuestProgram, threshold?: number): Promise<Result> {
  const core = await makeTestCore();
  const { call } = core;
  const expectDone = (what: string, result: number) => {
    if (result < 0) throw new Error(`${what}: ${result}`);
  };
  expectDone("machineInit", call.machineInit(FRAMES, 1, 1, 1, 0));
  expectDone("domainCreate", call.domainCreate(DOMID, p.vcpus ?? 1, RAM_PAGES));
  expectDone("domainAddRam", call.domainAddRam(DOMID, 0, RAM_PAGES));
  expectDone("domainSetPlatform", call.domainSetPlatform(DOMID, ALL_DEVICES));
  const image = assembleProgram(p);
  load(core, image);
  expectDone("vcpuStartPvh", call.vcpuStartPvh(DOMID, 0, Number(image.symbols.get("start")), 0));
  expectDone("domainUnpause", call.domainUnpause(DOMID));
  const machine = new Machine(core);
  const regions = threshold === undefined ? undefined : new TestRegions(core, threshold);
  const limit = performance.now() + LIMIT_MS;
  while (!machine.ended && performance.now() < limit) {
    const exit = call.pcpuRun(0);
    machine.drain();
    regions?.make();
    if (exit === Number(PcpuExit.values.IDLE) && call.pcpuIdleNs(0) === Infinity) break;
  }
  machine.drain();
  return machine.result();
}
