/**
 * A machine with Domain0 in the test's own thread, whose guests have netchannel2 interfaces on one cable: everything goes
 * to everybody but its sender, or to the one whose address it is for. The cable says what it carried.
 */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { Host } from "../../control-plane/api/host.js";
import type { DomainConfig, DomId, HostApi } from "../../control-plane/api/index.js";
import type { MachineOptions } from "../../control-plane/api/machine-options.js";
import { Bypasses, Vif2Backend } from "../../control-plane/backends/vif2/index.js";
import { RealCore } from "../../control-plane/core-link/real.js";
import type { CoreWorker } from "../../control-plane/core-link/workers.js";
import { backendIo } from "../../control-plane/domain/backend-io.js";
import { Toolstack } from "../../control-plane/domain/index.js";
import type { Packet, Station, Wire } from "../../control-plane/net/index.js";
import { LogRing } from "../../control-plane/util/index.js";
import { XenbusDevice } from "../../control-plane/xenbus/index.js";
import { useBranchHints } from "../../wasm-core/worker/branch-hints.node.js";

const DIST = new URL("../../dist/", import.meta.url);
const MOST_FRAMES = 1 << 20;

export interface Netchannel2Machine {
  readonly host: HostApi;
  readonly cable: Cable;
  readonly bypasses: Bypasses;
  readonly backends: Map<number, Vif2Backend>;
  readonly log: LogRing;
  readonly toolstack: Toolstack;
}

/** What all interfaces are plugged into. */
export class Cable {
  readonly #ends = new Map<Station, boolean>();
  readonly #macs = new Map<Station, Uint8Array>();
  packets = 0;
  bytes = 0;
  /** Of the largest packet. */
  largest = 0;

  plug(station: Station): Wire {
    this.#ends.set(station, false);
    const others = () => [...this.#ends.keys()].filter((other) => other !== station);
    return {
      send: (packet) => this.#send(station, packet),
      settle: () => {
        for (const other of others()) other.settle();
      },
      room: () => {
        for (const other of others()) other.resume();
      },
      unplug: () => {
        this.#ends.delete(station);
        this.#macs.delete(station);
      },
    };
  }

  #send(from: Station, packet: Packet): boolean {
    if (!this.#macs.has(from)) this.#macs.set(from, packet.header.slice(6, 12));
    const to = [...this.#ends.keys()].filter((other) => other !== from);
    const one = to.find((other) => this.#macs.get(other)?.every((byte, index) => byte === packet.header[index]));
    if (one !== undefined && !one.receive(packet)) return false;
    if (one === undefined) for (const other of to) other.receive(packet);
    this.packets++;
    this.bytes += packet.length;
    this.largest = Math.max(this.largest, packet.length);
    return true;
  }
}

function spawn(): CoreWorker {
  const worker = new Worker(new URL("pcpu.node.js", DIST));
  return {
    start: (message, ports = []) => worker.postMessage(message, ports as never),
    onReport: (listener) => void worker.on("message", listener),
    onFailure: (listener) => void worker.on("error", (error: Error) => listener(error.message)),
    terminate: async () => void (await worker.terminate()),
  };
}

/** Makes the machine; its guests have an interface before they start. */
export async function netchannel2Machine({
  pcpus = 1,
  singleThread = false,
}: MachineOptions): Promise<Netchannel2Machine> {
  useBranchHints();
  const log = new LogRing({ now: () => 0 });
  const core = await RealCore.start({
    wasm: new Uint8Array(readFileSync(new URL(singleThread ? "core-single.wasm" : "core.wasm", DIST))),
    singleThread,
    pcpus,
    maxFrames: MOST_FRAMES,
    deterministic: false,
    seed: 1,
    jit: true,
    spawn,
    soon: (work) => void setImmediate(work),
    onReport: (report) => log.write(JSON.stringify(report)),
    onWorkerFailure: (message) => log.write(message),
  });
  const clock = { now: () => core.calls.machineNow() };
  const random = { u32: () => crypto.getRandomValues(new Uint32Array(1))[0]! };
  const later = (work: () => void): void => void setImmediate(work);
  const toolstack = new Toolstack({ core, clock, random, log, coreSink: null, later });
  core.onDoorbell(() => toolstack.service());
  const inner = new Host({ core, toolstack, log, clock, pcpus, close: () => core.close() });
  const cable = new Cable();
  const bypasses = new Bypasses({ log });
  const backends = new Map<number, Vif2Backend>();
  const devices = new Map<number, XenbusDevice>();
  const attach = (domid: number): void => {
    const mac = macOf(domid);
    const paths = {
      frontend: `/local/domain/${domid}/device/vif2/0`,
      backend: `/local/domain/0/backend/vif2/${domid}/0`,
    };
    const backend = new Vif2Backend({ name: `vif${domid}.0`, mac, plug: (station) => cable.plug(station), bypasses });
    const io = backendIo(toolstack.context.disks, domid, `vif${domid}.0`, paths, () => devices.get(domid)!);
    const device = new XenbusDevice(toolstack.store.local, paths, io, backend);
    devices.set(domid, device);
    backends.set(domid, backend);
    device.start({ frontend: { mac, handle: "0" }, backend: { mac, handle: "0" } });
  };
  const create = async (config: DomainConfig): Promise<DomId> => {
    const domid = await inner.create(config, { paused: true });
    attach(domid);
    await inner.unpause(domid);
    return domid;
  };
  const destroy = async (domid: DomId): Promise<void> => {
    devices.get(domid)!.close();
    await inner.destroy(domid);
  };
  const own: Partial<HostApi> = { create, destroy };
  const host = new Proxy<HostApi>(inner, {
    get: (target, key: keyof HostApi) => own[key] ?? (target[key] as () => unknown).bind(target),
  });
  return { host, cable, bypasses, backends, log, toolstack };
}

export const macOf = (domid: number): string => `00:16:3e:00:00:${domid.toString(16).padStart(2, "0")}`;
