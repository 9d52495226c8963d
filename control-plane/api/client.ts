/**
 * HostApi on the caller's side of a message port. Callbacks are made proxies here, so that callers pass plain functions,
 * and every call fails when Domain0 itself has died instead of waiting for ever.
 */
import { type Endpoint, proxy, type Remote, releaseProxy, wrap } from "comlink";
import { toHostError } from "./errors.js";
import type { CaptureStats, ConsoleSession, HostApi } from "./types.js";

export interface ClientParts {
  readonly port: MessagePort;
  /** Rejects when Domain0's worker has failed. */
  readonly failure: Promise<never>;
  /** Ends the worker; called once Domain0 has closed. */
  terminate(): Promise<void>;
}

export function connectClient({ port, failure, terminate }: ClientParts): HostApi {
  const remote = wrap<HostApi>(port as unknown as Endpoint);
  failure.catch(() => undefined);
  const ask = <T>(call: Promise<T>): Promise<T> =>
    Promise.race([call, failure]).catch((error: unknown) => {
      throw toHostError(error);
    });
  return {
    ...plainCalls(remote, ask),
    imageJob: ((call: unknown, params: unknown, onProgress: object) =>
      ask(
        (remote.imageJob as unknown as (...params: unknown[]) => Promise<unknown>)(call, params, proxy(onProgress)),
      )) as HostApi["imageJob"],
    dumpCore: (domid, onChunk) => ask(remote.dumpCore(domid, proxy(onChunk))),
    capture: async (target, onData, options) => {
      const stop = await ask(remote.capture(target, proxy(onData), options));
      return () => ask((stop as unknown as () => Promise<CaptureStats>)());
    },
    attachConsole: async (domid, kind, onData) =>
      session(
        await ask(remote.attachConsole(domid, kind, proxy(onData)) as unknown as Promise<Remote<ConsoleSession>>),
      ),
    xenstoreWatch: async (path, onChange) => ending(await ask(remote.xenstoreWatch(path, proxy(onChange)))),
    subscribe: async (listener) => ending(await ask(remote.subscribe(proxy(listener)))),
    close: async () => {
      await ask(remote.close()).catch(() => undefined);
      remote[releaseProxy]();
      port.close();
      await terminate();
    },
  };
}

type PlainCalls = Omit<
  HostApi,
  "imageJob" | "dumpCore" | "capture" | "attachConsole" | "xenstoreWatch" | "subscribe" | "close"
>;

function plainCalls(remote: Remote<HostApi>, ask: <T>(call: Promise<T>) => Promise<T>): PlainCalls {
  return {
    info: () => ask(remote.info()),
    dmesg: (clear) => ask(remote.dmesg(clear)),
    regions: () => ask(remote.regions()),
    regionExits: (clear) => ask(remote.regionExits(clear)),
    regionText: (id, wasm) => ask(remote.regionText(id, wasm)),
    list: () => ask(remote.list()),
    domain: (domid) => ask(remote.domain(domid)),
    resolve: (nameOrId) => ask(remote.resolve(nameOrId)),
    create: (config, options) => ask(remote.create(config, options)),
    pause: (domid) => ask(remote.pause(domid)),
    unpause: (domid) => ask(remote.unpause(domid)),
    shutdown: (domid, reason) => ask(remote.shutdown(domid, reason)),
    waitShutdown: (domid) => ask(remote.waitShutdown(domid)),
    destroy: (domid) => ask(remote.destroy(domid)),
    rename: (domid, name) => ask(remote.rename(domid, name)),
    setMemory: (domid, memoryMiB) => ask(remote.setMemory(domid, memoryMiB)),
    setVcpus: (domid, count) => ask(remote.setVcpus(domid, count)),
    pinVcpu: (domid, vcpu, change) => ask(remote.pinVcpu(domid, vcpu, change)),
    setScheduling: (domid, change) => ask(remote.setScheduling(domid, change)),
    disks: (domid) => ask(remote.disks(domid)),
    attachDisk: (domid, disk) => ask(remote.attachDisk(domid, disk)),
    detachDisk: (domid, vdev, force) => ask(remote.detachDisk(domid, vdev, force)),
    changeMedium: (domid, vdev, target, format) => ask(remote.changeMedium(domid, vdev, target, format)),
    vifs: (domid) => ask(remote.vifs(domid)),
    attachVif: (domid, vif) => ask(remote.attachVif(domid, vif)),
    detachVif: (domid, devid, force) => ask(remote.detachVif(domid, devid, force)),
    setVif: (domid, devid, change) => ask(remote.setVif(domid, devid, change)),
    networks: () => ask(remote.networks()),
    joinNetwork: (network, options) => ask(remote.joinNetwork(network, options)),
    serveNetwork: (network, options) => ask(remote.serveNetwork(network, options)),
    leaveNetwork: (id) => ask(remote.leaveNetwork(id)),
    image: ((...params: unknown[]) =>
      ask((remote.image as unknown as (...params: unknown[]) => Promise<unknown>)(...params))) as HostApi["image"],
    trigger: (domid, what, argument) => ask(remote.trigger(domid, what, argument)),
    consoleScrollback: (domid, kind) => ask(remote.consoleScrollback(domid, kind)),
    xenstoreRead: (path) => ask(remote.xenstoreRead(path)),
    xenstoreList: (path) => ask(remote.xenstoreList(path)),
    xenstoreWrite: (path, value) => ask(remote.xenstoreWrite(path, value)),
    xenstoreRemove: (path) => ask(remote.xenstoreRemove(path)),
  };
}

/** Calls on a session are not waited for: what a dead Domain0 would say is said by the next call that is. */
function session(remote: Remote<ConsoleSession>): ConsoleSession {
  const forget = (call: Promise<unknown>) => void call.catch(() => undefined);
  return {
    write: (data) => forget(remote.write(data)),
    resize: (columns, rows) => forget(remote.resize(columns, rows)),
    detach: () => forget(remote.detach()),
  };
}

function ending(remote: unknown): () => void {
  const end = remote as () => Promise<void>;
  return () => void end().catch(() => undefined);
}
