/**
 * A machine for the tests of the interrupt controllers, devices and buses: one domain with its platform and a few
 * vCPUs laid out by hand in fresh memory, and a clock that the test moves. No scheduler runs: what would wake or
 * interrupt a vCPU shows in its events.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { beforeAll } from "vitest";
import { Domain } from "../../../abi/structs/domain.js";
import { Lapic } from "../../../abi/structs/lapic.js";
import { MACHINE_BASE, Machine } from "../../../abi/structs/machine.js";
import { PlatformFlag, PlatformState } from "../../../abi/structs/platform.js";
import { VcpuRunState } from "../../../abi/structs/sched.js";
import { Vcpu } from "../../../abi/structs/vcpu.js";
import { layoutSource } from "../../../build/gen-layout.js";

const ASSEMBLY = join(dirname(fileURLToPath(import.meta.url)), "../..");
const ENTRY = join(ASSEMBLY, "irq/testing/entry.ts");
const OPTIONS = "-O0 --runtime stub --noAssert --importMemory --sharedMemory --initialMemory 64 --maximumMemory 64";
const DOMAIN = 0x200000;
const PLATFORM = 0x210000;
const VCPUS = 0x220000;
const VCPU_STRIDE = 0x4000;
const LAPIC_AT = 0x3000;
/** Where tests put saved states. */
export const SCRATCH = 0x300000;

export const ALL_DEVICES = Object.values(PlatformFlag.values).reduce<number>((all, bit) => all | Number(bit), 0);

/** The exports of entry.ts that tests call; u64 is bigint. */
export interface IrqCore {
  ioRead(cpu: number, port: number, size: number): number;
  ioWrite(cpu: number, port: number, size: number, value: number): void;
  ioWriteBlocked(cpu: number, port: number): number;
  mmioRead(cpu: number, gpa: bigint, size: number): bigint;
  mmioWrite(cpu: number, gpa: bigint, size: number, value: bigint): void;
  platformReset(dom: number): void;
  platformDeadline(dom: number): bigint;
  platformFire(dom: number): void;
  platformSerialNotify(dom: number): void;
  platformSave(dom: number, at: number): number;
  platformRestore(dom: number, at: number, length: number): number;
  ioapicSetIrq(dom: number, pin: number, level: number): void;
  ioapicRaiseCallback(dom: number): void;
  lapicReset(cpu: number): void;
  lapicInitReset(cpu: number): void;
  lapicRead(cpu: number, offset: number): number;
  lapicWrite(cpu: number, offset: number, value: number): void;
  lapicMsrReadable(msr: number): number;
  lapicMsrRead(cpu: number, msr: number): bigint;
  lapicMsrWrite(cpu: number, msr: number, value: bigint): number;
  lapicSetBase(cpu: number, value: bigint): number;
  lapicInject(cpu: number, vector: number, level: number): number;
  lapicPending(cpu: number): number;
  lapicAck(cpu: number): number;
  lapicLatch(cpu: number, vector: number): void;
  lapicEoi(cpu: number): void;
  lapicRaiseLocal(cpu: number, offset: number): void;
  lapicSetTpr(cpu: number, value: number): void;
  lapicTpr(cpu: number): number;
  lapicTimerDeadline(cpu: number): bigint;
  lapicTimerFire(cpu: number): void;
  lapicTscDeadlineRead(cpu: number): bigint;
  lapicTscDeadlineWrite(cpu: number, value: bigint): void;
  lapicSave(cpu: number, at: number): number;
  lapicRestore(cpu: number, at: number, length: number): number;
}

let compiled: Promise<WebAssembly.Module> | undefined;

async function compile(): Promise<WebAssembly.Module> {
  const layout = await layoutSource();
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      relative(process.cwd(), ENTRY),
      ...OPTIONS.split(" "),
      "--enable",
      "simd,threads",
      "--memoryBase",
      "65536",
      "-o",
      "irq.wasm",
    ],
    {
      readFile: (name: string, base: string) => {
        const path = join(base, name);
        if (relative(ASSEMBLY, join(process.cwd(), path)) === "gen/layout.ts") return layout;
        return existsSync(path) ? readFileSync(path, "utf8") : null;
      },
      writeFile: (_name: string, data: string | Uint8Array) => {
        if (typeof data !== "string") binary = data;
      },
      listFiles: () => [],
    },
  );
  if (error || binary === undefined) throw new Error(`asc: ${error?.message}\n${stderr.toString()}`);
  return WebAssembly.compile(binary as Uint8Array<ArrayBuffer>);
}

const compiledOnce = (): Promise<WebAssembly.Module> => (compiled ??= compile());

// Compiling may be slow on a busy machine: not on a test's time.
beforeAll(async () => void (await compiledOnce()), 180_000);

export class IrqMachine {
  readonly dom = DOMAIN;
  private constructor(
    readonly core: IrqCore,
    readonly view: DataView,
    private readonly clock: { ns: number },
  ) {}

  /** A machine with `vcpus` vCPUs whose local APICs are enabled, and the devices of `flags`. */
  static async create(vcpus = 1, flags = ALL_DEVICES): Promise<IrqMachine> {
    const module = await compiledOnce();
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
    const clock = { ns: 0 };
    const env = {
      memory,
      lockOwner: 1,
      hostNow: () => clock.ns,
      hostWallClock: () => clock.ns,
      hostRandom: () => 4,
      hostWait: () => {},
      hostNap: () => {},
      hostTrace: () => {},
      abort: () => {
        throw new Error("abort");
      },
    };
    const { exports } = await WebAssembly.instantiate(module, { env });
    const machine = new IrqMachine(exports as unknown as IrqCore, new DataView(memory.buffer), clock);
    machine.lay(vcpus, flags);
    return machine;
  }

  private lay(vcpus: number, flags: number): void {
    this.put32(DOMAIN + Domain.off.platform, flags);
    this.put32(DOMAIN + Domain.off.platformState, PLATFORM);
    this.put32(DOMAIN + Domain.off.maxVcpus, vcpus);
    this.put32(DOMAIN + Domain.off.exitStatus, 0xffffffff);
    this.put32(DOMAIN + Domain.off.shutdownReason, 0xffffffff);
    for (let i = 0; i < vcpus; i++) {
      const cpu = this.cpu(i);
      this.put32(DOMAIN + Domain.off.vcpus + 4 * i, cpu);
      this.put32(cpu + Vcpu.off.id, i);
      this.put32(cpu + Vcpu.off.apicId, 2 * i);
      this.put32(cpu + Vcpu.off.domain, DOMAIN);
      this.put32(cpu + Vcpu.off.lapic, cpu + LAPIC_AT);
      this.put32(cpu + Vcpu.off.runState, Number(VcpuRunState.values.RUNNING));
      this.core.lapicReset(cpu);
      this.core.lapicWrite(cpu, 0xf0, 0x1ff);
    }
    this.core.platformReset(DOMAIN);
  }

  cpu(index: number): number {
    return VCPUS + index * VCPU_STRIDE;
  }

  get now(): number {
    return this.clock.ns;
  }

  set now(ns: number) {
    this.clock.ns = ns;
  }

  get32(address: number): number {
    return this.view.getUint32(address, true);
  }

  put32(address: number, value: number): void {
    this.view.setUint32(address, value, true);
  }

  /** Takes the events of a vCPU. */
  takeEvents(index: number): number {
    const events = this.get32(this.cpu(index) + Vcpu.off.events);
    this.put32(this.cpu(index) + Vcpu.off.events, 0);
    return events;
  }

  lapicField(index: number, field: keyof typeof Lapic.off): number {
    return this.get32(this.cpu(index) + LAPIC_AT + Lapic.off[field]);
  }

  domainField(field: keyof typeof Domain.off): number {
    return this.get32(DOMAIN + Domain.off[field]);
  }

  /** Puts vCPU `index` into x2APIC mode. */
  enterX2apic(index: number): void {
    this.core.lapicSetBase(this.cpu(index), 0xfee00c00n);
  }

  /** Writes a redirection entry through the I/O APIC's window. */
  route(pin: number, low: number, destination = 0): void {
    this.ioapicWrite(0x11 + 2 * pin, destination << 24);
    this.ioapicWrite(0x10 + 2 * pin, low);
  }

  ioapicWrite(index: number, value: number): void {
    this.core.mmioWrite(this.cpu(0), 0xfec00000n, 4, BigInt(index));
    this.core.mmioWrite(this.cpu(0), 0xfec00010n, 4, BigInt(value >>> 0));
  }

  ioapicRead(index: number): number {
    this.core.mmioWrite(this.cpu(0), 0xfec00000n, 4, BigInt(index));
    return Number(this.core.mmioRead(this.cpu(0), 0xfec00010n, 4));
  }

  /** Takes the pending interrupt of a vCPU: its vector, or -1. */
  take(index = 0): number {
    return this.core.lapicPending(this.cpu(index)) < 0 ? -1 : this.core.lapicAck(this.cpu(index));
  }

  inb(port: number): number {
    return this.core.ioRead(this.cpu(0), port, 1) >>> 0;
  }

  outb(port: number, value: number): void {
    this.core.ioWrite(this.cpu(0), port, 1, value);
  }

  /** What the serial devices have put out and Domain0 has not taken; takes it. */
  serialOutput(): string {
    const prod = this.get32(PLATFORM + PlatformState.off.serialOutProd);
    let text = "";
    for (let at = this.get32(PLATFORM + PlatformState.off.serialOutCons); at !== prod; at = (at + 1) >>> 0) {
      text += String.fromCharCode(this.view.getUint8(PLATFORM + PlatformState.off.serialOut + (at & 2047)));
    }
    this.put32(PLATFORM + PlatformState.off.serialOutCons, prod);
    return text;
  }

  /** Gives the UART input, as Domain0 does. */
  serialInput(text: string): void {
    let prod = this.get32(PLATFORM + PlatformState.off.serialInProd);
    for (const c of text) this.view.setUint8(PLATFORM + PlatformState.off.serialIn + (prod++ & 1023), c.charCodeAt(0));
    this.put32(PLATFORM + PlatformState.off.serialInProd, prod);
    this.core.platformSerialNotify(DOMAIN);
  }
}
