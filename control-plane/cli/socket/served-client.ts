/** One client of the host: answers its requests and keeps what it has open, to be ended with it. */
import type { Socket } from "node:net";
import {
  type CaptureOptions,
  type CaptureStats,
  type CaptureTarget,
  type ConsoleKind,
  type ConsoleSession,
  type CreateOptions,
  type DiskConfig,
  type DiskFormat,
  type DomainConfig,
  type DomId,
  type HostApi,
  HostError,
  type JoinOptions,
  type LinkId,
  type PinChange,
  type Progress,
  type SchedulingChange,
  type ServeOptions,
  toHostError,
  type VifChange,
  type VifConfig,
} from "../../api/index.js";
import { Connection } from "./connection.js";
import { METHODS, PROTOCOL_VERSION, paramsFit, RpcCode, type RpcError } from "./protocol.js";

/** A client that takes nothing for so long is disconnected: output that nobody reads holds its guest up. */
const STALL_MS = 30_000;

type Call = (params: readonly unknown[]) => unknown;

interface OpenStream {
  end(): void;
  readonly session?: ConsoleSession;
  /** Of a recording: ends it, with an answer. */
  readonly stop?: () => Promise<CaptureStats>;
}

export class ServedClient {
  readonly #connection: Connection;
  /** What ends each open stream, by the client's number. */
  readonly #streams = new Map<number, OpenStream>();
  readonly #calls: Readonly<Record<string, Call>>;

  constructor(
    socket: Socket,
    private readonly host: HostApi,
    private readonly stopHost: () => void,
    onGone: () => void,
  ) {
    this.#connection = new Connection(socket, {
      onMessage: (message) => this.#receive(message),
      onClose: () => {
        for (const { end } of this.#streams.values()) end();
        this.#streams.clear();
        onGone();
      },
    });
    this.#calls = { ...plainCalls(host), ...this.#streamCalls(), hello: () => HELLO, stopHost: () => null };
  }

  disconnect(): void {
    this.#connection.destroy();
  }

  #receive(message: unknown): void {
    const { id, method, params } = (message ?? {}) as { id?: unknown; method?: unknown; params?: unknown };
    if (typeof method !== "string" || !Array.isArray(params) || (id !== undefined && typeof id !== "number")) {
      this.#connection.destroy();
      return;
    }
    if (id === undefined) this.#notified(method, params);
    else void this.#answer(id, method, params);
  }

  async #answer(id: number, method: string, params: readonly unknown[]): Promise<void> {
    let reply: object;
    try {
      reply = { result: (await this.#call(method, params)) ?? null };
    } catch (error) {
      reply = { error: toRpcError(error) };
    }
    await this.#connection.send({ jsonrpc: "2.0", id, ...reply }).catch(() => undefined);
    // Answered first: the end takes the connection with it.
    if (method === "stopHost") this.stopHost();
  }

  #call(method: string, params: readonly unknown[]): unknown {
    if (!Object.hasOwn(METHODS, method)) throw new ProtocolError(RpcCode.METHOD_NOT_FOUND, `no call "${method}"`);
    if (!paramsFit(method, params)) throw new ProtocolError(RpcCode.INVALID_PARAMS, `${method}: wrong parameters`);
    return this.#calls[method]!(params);
  }

  #notified(method: string, [stream, ...params]: readonly unknown[]): void {
    const open = this.#streams.get(stream as number);
    if (!open) return;
    const [first, second] = params;
    if (method === "write" && first instanceof Uint8Array) open.session?.write(first);
    if (method === "resize" && typeof first === "number" && typeof second === "number")
      open.session?.resize(first, second);
    if (method === "end") {
      this.#streams.delete(stream as number);
      open.end();
    }
  }

  /** Calls with callbacks. Each opens a stream that lives until its client ends it or is gone. */
  #streamCalls(): Record<string, Call> {
    const { host } = this;
    return {
      imageJob: ([stream, call, params]) => this.#job(stream as number, call, params),
      dumpCore: ([stream, domid]) => host.dumpCore(domid as DomId, (chunk) => this.#toStream(stream as number, chunk)),
      attachConsole: ([stream, domid, kind]) =>
        this.#open(stream as number, async (send) => {
          const session = await host.attachConsole(domid as DomId, consoleKind(kind), send);
          return { session, end: () => session.detach() };
        }),
      capture: ([stream, target, options]) =>
        this.#open(stream as number, async (send) => {
          const given = (options as CaptureOptions | null) ?? {};
          const stop = await host.capture(target as CaptureTarget, send, given);
          return { stop, end: () => void stop().catch(() => undefined) };
        }),
      stopCapture: ([stream]) => this.#stopCapture(stream as number),
      xenstoreWatch: ([stream, path]) =>
        this.#open(stream as number, async (send) => ({ end: await host.xenstoreWatch(path as string, send) })),
      subscribe: ([stream]) => this.#open(stream as number, async (send) => ({ end: await host.subscribe(send) })),
    };
  }

  #stopCapture(stream: number): Promise<CaptureStats> {
    const stop = this.#streams.get(stream)?.stop;
    if (stop === undefined) throw new ProtocolError(RpcCode.INVALID_PARAMS, `stream ${stream} is no recording`);
    this.#streams.delete(stream);
    return stop();
  }

  /** A long operation on images: its stream is its progress, and ends it when the client does, or is gone. */
  async #job(stream: number, call: unknown, params: unknown): Promise<unknown> {
    if (this.#streams.has(stream)) throw new ProtocolError(RpcCode.INVALID_PARAMS, `stream ${stream} is open`);
    let wanted = true;
    const end = () => {
      wanted = false;
    };
    this.#streams.set(stream, { end });
    try {
      const tell = async (progress: Progress): Promise<boolean> => {
        if (wanted) await this.#toStream(stream, progress);
        return wanted;
      };
      return await (this.host.imageJob as (...params: unknown[]) => Promise<unknown>).call(
        this.host,
        call,
        params,
        tell,
      );
    } finally {
      this.#streams.delete(stream);
    }
  }

  async #open(stream: number, start: (send: (value: unknown) => Promise<void>) => Promise<OpenStream>): Promise<void> {
    if (this.#streams.has(stream)) throw new ProtocolError(RpcCode.INVALID_PARAMS, `stream ${stream} is open`);
    const closing = { ended: false };
    // Its client may be gone before the host has answered.
    const endEarly = () => {
      closing.ended = true;
    };
    this.#streams.set(stream, { end: endEarly });
    try {
      const open = await start((value) => this.#toStream(stream, value));
      if (closing.ended) open.end();
      else this.#streams.set(stream, open);
    } catch (error) {
      this.#streams.delete(stream);
      throw error;
    }
  }

  /** Resolves when the system has taken the value, so that a slow client slows what feeds it. */
  async #toStream(stream: number, value: unknown): Promise<void> {
    const stalled = setTimeout(() => this.#connection.destroy(), STALL_MS);
    stalled.unref();
    try {
      await this.#connection.send({ jsonrpc: "2.0", method: "stream", params: [stream, value] });
    } finally {
      clearTimeout(stalled);
    }
  }
}

const HELLO = { protocol: PROTOCOL_VERSION, pid: process.pid };

function plainCalls(host: HostApi): Record<string, Call> {
  return {
    info: () => host.info(),
    dmesg: ([clear]) => host.dmesg((clear as boolean | null) ?? false),
    regions: () => host.regions(),
    regionExits: ([clear]) => host.regionExits((clear as boolean | null) ?? false),
    regionText: ([id, wasm]) => host.regionText(id as number, (wasm as boolean | null) ?? false),
    list: () => host.list(),
    domain: ([domid]) => host.domain(domid as DomId),
    resolve: ([nameOrId]) => host.resolve(nameOrId as string),
    create: ([config, options]) => host.create(config as DomainConfig, (options as CreateOptions | null) ?? {}),
    pause: ([domid]) => host.pause(domid as DomId),
    unpause: ([domid]) => host.unpause(domid as DomId),
    shutdown: ([domid, reason]) => host.shutdown(domid as DomId, shutdownReason(reason)),
    waitShutdown: ([domid]) => host.waitShutdown(domid as DomId),
    destroy: ([domid]) => host.destroy(domid as DomId),
    rename: ([domid, name]) => host.rename(domid as DomId, name as string),
    setMemory: ([domid, memoryMiB]) => host.setMemory(domid as DomId, memoryMiB as number),
    setVcpus: ([domid, count]) => host.setVcpus(domid as DomId, count as number),
    pinVcpu: ([domid, vcpu, change]) =>
      host.pinVcpu(domid as DomId, (vcpu as number | null) ?? null, change as PinChange),
    setScheduling: ([domid, change]) => host.setScheduling(domid as DomId, change as SchedulingChange),
    disks: ([domid]) => host.disks(domid as DomId),
    attachDisk: ([domid, disk]) => host.attachDisk(domid as DomId, disk as DiskConfig),
    detachDisk: ([domid, vdev, force]) => host.detachDisk(domid as DomId, vdev as string, force === true),
    changeMedium: ([domid, vdev, target, format]) =>
      host.changeMedium(domid as DomId, vdev as string, (target as string | null) ?? null, diskFormat(format)),
    vifs: ([domid]) => host.vifs(domid as DomId),
    attachVif: ([domid, vif]) => host.attachVif(domid as DomId, vif as VifConfig),
    detachVif: ([domid, devid, force]) => host.detachVif(domid as DomId, devid as number, force === true),
    setVif: ([domid, devid, change]) => host.setVif(domid as DomId, devid as number, change as VifChange),
    networks: () => host.networks(),
    joinNetwork: ([network, options]) => host.joinNetwork(network as string, options as JoinOptions),
    serveNetwork: ([network, options]) => host.serveNetwork(network as string, options as ServeOptions),
    leaveNetwork: ([id]) => host.leaveNetwork(id as LinkId),
    image: ([name, params]) =>
      (host.image as (...params: unknown[]) => unknown).call(host, name, ...(params as unknown[])),
    trigger: ([domid, what, argument]) =>
      host.trigger(domid as DomId, triggerKind(what), (argument as string | null) ?? undefined),
    consoleScrollback: ([domid, kind]) => host.consoleScrollback(domid as DomId, consoleKind(kind)),
    xenstoreRead: ([path]) => host.xenstoreRead(path as string),
    xenstoreList: ([path]) => host.xenstoreList(path as string),
    xenstoreWrite: ([path, value]) => host.xenstoreWrite(path as string, value as string),
    xenstoreRemove: ([path]) => host.xenstoreRemove(path as string),
  };
}

/** The request itself is wrong; HostApi was not asked. */
class ProtocolError extends Error {
  constructor(
    readonly rpcCode: number,
    message: string,
  ) {
    super(message);
  }
}

function toRpcError(error: unknown): RpcError {
  if (error instanceof ProtocolError) return { code: error.rpcCode, message: error.message };
  const { code, message, next } = toHostError(error);
  return { code: RpcCode.HOST_ERROR, message, data: { code, ...(next === undefined ? {} : { next }) } };
}

function oneOf<T extends string>(value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new HostError("bad-config", `"${value}" is not one of ${choices.join(", ")}`);
  return found;
}

const consoleKind = (value: unknown): ConsoleKind => oneOf(value, ["pv", "serial"]);
const shutdownReason = (value: unknown) => oneOf(value, ["poweroff", "reboot", "suspend"]);
const diskFormat = (value: unknown): DiskFormat | undefined =>
  value === undefined || value === null ? undefined : oneOf<DiskFormat>(value, ["raw", "vhd", "qcow2"]);
const triggerKind = (value: unknown) => oneOf(value, ["nmi", "reset", "init", "sysrq"]);
