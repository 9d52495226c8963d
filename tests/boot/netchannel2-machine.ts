/**
 * A machine with Domain0 in the test's own thread, whose guests have netchannel2 interfaces on one cable: everything goes
 * to everybody but its sender, or to the one whose address it is for. The cable says what it carried.
 */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { Host } from "../../control-plane/api/host.js";
import type { DomainConfig, HostApi } from "../../control-plane/api/index.js";
import { Bypasses, Vif2Backend } from "../../control-plane/backends/vif2/index.js";
import { RealCore } from "../../control-plane/core-link/real.js";
import type { CoreWorker } from "../../control-plane/core-link/workers.js";
import { backendIo } from "../../control-plane/domain/backend-io.js";
import { Toolstack } from "../../control-plane/domain/index.js";
import { writeCpio } from "../../control-plane/formats/index.js";
import { buildNetchannel2, prepareGuest } from "../../control-plane/guest/index.js";
import type { Packet, Station, Wire } from "../../control-plane/net/index.js";
import { LogRing, unwrap } from "../../control-plane/util/index.js";
import { XenbusDevice } from "../../control-plane/xenbus/index.js";
import { useBranchHints } from "../../wasm-core/worker/branch-hints.node.js";

const DIST = new URL("../../dist/", import.meta.url);
const MOST_FRAMES = 1 << 20;
/** Where guests find the module. */
const MODULE_PATH = "lib/netchannel2.ko";

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

/** Makes the machine. Its guests carry the module, and have an interface before they start. */
export async function netchannel2Machine(pcpus: number): Promise<Netchannel2Machine> {
  useBranchHints();
  const log = new LogRing({ now: () => 0 });
  const core = await RealCore.start({
    wasm: new Uint8Array(readFileSync(new URL("core.wasm", DIST))),
    singleThread: false,
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
  const attach = (domid: number): void => {
    const mac = macOf(domid);
    const paths = {
      frontend: `/local/domain/${domid}/device/vif2/0`,
      backend: `/local/domain/0/backend/vif2/${domid}/0`,
    };
    const backend = new Vif2Backend({ name: `vif${domid}.0`, mac, plug: (station) => cable.plug(station), bypasses });
    const io = backendIo(toolstack.context.disks, domid, `vif${domid}.0`, paths, () => device);
    const device: XenbusDevice = new XenbusDevice(toolstack.store.local, paths, io, backend);
    device.start({ frontend: { mac, handle: "0" }, backend: { mac, handle: "0" } });
    backends.set(domid, backend);
  };
  const host: HostApi = new Proxy(inner as HostApi, {
    get: (target, key: keyof HostApi) =>
      key === "create"
        ? async (config: DomainConfig) => {
            const domid = await target.create(config, { paused: true });
            attach(domid);
            await target.unpause(domid);
            return domid;
          }
        : (target[key] as (...values: unknown[]) => unknown).bind(target),
  });
  return { host, cable, bypasses, backends, log, toolstack };
}

export const macOf = (domid: number): string => `00:16:3e:00:00:${domid.toString(16).padStart(2, "0")}`;

/** The default guest's ramdisk, with the module behind it. */
export async function ramdiskWithModule(): Promise<Uint8Array> {
  const image = unwrap(await prepareGuest({ flavour: "cloud" }));
  const module = unwrap(await buildNetchannel2({ release: image.manifest.release }));
  const extra = writeCpio([{ path: MODULE_PATH, mode: 0o100644, data: module }]);
  const ramdisk = readFileSync(image.initramfs);
  const padded = (ramdisk.length + 3) & ~3;
  const whole = new Uint8Array(padded + extra.length);
  whole.set(ramdisk);
  whole.set(extra, padded);
  return whole;
}
