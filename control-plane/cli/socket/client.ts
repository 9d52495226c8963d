/** The client's end of the control socket: HostApi over a connection to a host in another process. */
import { connect, type Socket } from "node:net";
import {
  type CaptureOptions,
  type CaptureStats,
  type CaptureTarget,
  type ConsoleSession,
  type HostApi,
  hostErrorOf,
  type Progress,
  type TellProgress,
} from "../../api/index.js";
import { CliError, Exit } from "../errors.js";
import { Connection } from "./connection.js";
import { checkSocketFolder } from "./path.js";
import { type Hello, PROTOCOL_VERSION, type Response } from "./protocol.js";

/** A host in another process; `close` only ends the connection. */
export interface RemoteHost extends HostApi {
  /** Ends the host and its domains. */
  stopHost(): Promise<void>;
  /** Rejects when the connection is lost. */
  readonly gone: Promise<never>;
  /** The host's process. */
  readonly pid: number;
}

/** Connects to the host at `address`. */
export async function connectSocket(address: string): Promise<RemoteHost> {
  checkSocketFolder(address);
  let socket: Socket;
  try {
    socket = await open(address);
  } catch (error) {
    throw unreachable(address, error as NodeJS.ErrnoException);
  }
  const caller = new Caller(socket);
  const { protocol, pid } = (await caller.call("hello", [PROTOCOL_VERSION])) as Hello;
  if (protocol !== PROTOCOL_VERSION) {
    caller.end();
    throw new CliError(
      Exit.HOST,
      `the running host speaks protocol ${protocol} and this xl ${PROTOCOL_VERSION}: restart the host`,
    );
  }
  return remoteHost(caller, pid);
}

/** Whether somebody listens at `address`. */
export async function answers(address: string): Promise<boolean> {
  return open(address).then(
    (socket) => {
      socket.destroy();
      return true;
    },
    () => false,
  );
}

function open(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

function unreachable(address: string, error: NodeJS.ErrnoException): CliError {
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED") {
    return new CliError(Exit.HOST, 'no host is running: start one with "xl host --detach"');
  }
  return new CliError(Exit.HOST, `the host at "${address}" cannot be reached: ${error.message}`);
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Numbers requests and streams, and fails all of them when the host is gone. */
class Caller {
  readonly #connection: Connection;
  readonly #waiting = new Map<number, Waiting>();
  readonly #streams = new Map<number, (value: unknown) => void>();
  #nextId = 1;
  #gone: Error | null = null;
  #announceGone = (_: Error): void => {};
  readonly gone = new Promise<never>((_, reject) => {
    this.#announceGone = reject;
  });

  constructor(socket: Socket) {
    // Whoever does not wait for it learns it by the next call.
    this.gone.catch(() => undefined);
    this.#connection = new Connection(socket, {
      onMessage: (message) => this.#receive(message as Partial<Response> & { method?: string; params?: unknown[] }),
      onClose: (error) => this.#fail(error),
    });
  }

  call(method: string, params: readonly unknown[]): Promise<unknown> {
    if (this.#gone) return Promise.reject(this.#gone);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#connection.send({ jsonrpc: "2.0", id, method, params }).catch((error: Error) => {
        if (this.#waiting.delete(id)) reject(this.#gone ?? error);
      });
    });
  }

  /** A call whose callback gets what the host sends. Returns the stream's number. */
  async callWithStream<T>(method: string, params: readonly unknown[], onValue: (value: T) => void): Promise<number> {
    const stream = this.openStream(onValue);
    try {
      await this.call(method, [stream, ...params]);
    } catch (error) {
      this.closeStream(stream);
      throw error;
    }
    return stream;
  }

  /** A stream that a call is to name. */
  openStream<T>(onValue: (value: T) => void): number {
    const stream = this.#nextId++;
    this.#streams.set(stream, onValue as (value: unknown) => void);
    return stream;
  }

  closeStream(stream: number): void {
    this.#streams.delete(stream);
  }

  /** Tells the host something about a stream. */
  notify(method: "write" | "resize" | "end", stream: number, ...params: unknown[]): void {
    if (method === "end") this.#streams.delete(stream);
    this.#connection.send({ jsonrpc: "2.0", method, params: [stream, ...params] }).catch(() => undefined);
  }

  end(): void {
    this.#connection.end();
  }

  #receive({ id, result, error, method, params }: Partial<Response> & { method?: string; params?: unknown[] }): void {
    if (method === "stream" && Array.isArray(params)) {
      this.#streams.get(params[0] as number)?.(params[1]);
      return;
    }
    const waiting = this.#waiting.get(id ?? 0);
    if (!waiting) return;
    this.#waiting.delete(id!);
    if (error) waiting.reject(hostErrorOf(error.data?.code ?? "internal", error.message, error.data?.next));
    else waiting.resolve(result);
  }

  #fail(error: Error | null): void {
    this.#gone = error instanceof CliError ? error : new CliError(Exit.HOST, "the host has ended");
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
    this.#streams.clear();
    this.#announceGone(this.#gone);
  }
}

function remoteHost(caller: Caller, pid: number): RemoteHost {
  const call =
    (method: string) =>
    (...params: unknown[]): Promise<never> =>
      caller.call(method, params) as Promise<never>;
  const none =
    (method: string) =>
    async (...params: unknown[]) =>
      void (await caller.call(method, params));
  return {
    pid,
    gone: caller.gone,
    stopHost: none("stopHost"),
    info: call("info"),
    dmesg: call("dmesg"),
    regions: call("regions"),
    regionExits: call("regionExits"),
    regionText: call("regionText"),
    list: call("list"),
    domain: call("domain"),
    resolve: call("resolve"),
    create: call("create"),
    pause: none("pause"),
    unpause: none("unpause"),
    shutdown: none("shutdown"),
    waitShutdown: call("waitShutdown"),
    destroy: none("destroy"),
    rename: none("rename"),
    setMemory: none("setMemory"),
    setVcpus: none("setVcpus"),
    pinVcpu: none("pinVcpu"),
    setScheduling: none("setScheduling"),
    disks: call("disks"),
    attachDisk: none("attachDisk"),
    detachDisk: none("detachDisk"),
    changeMedium: none("changeMedium"),
    vifs: call("vifs"),
    attachVif: call("attachVif"),
    detachVif: none("detachVif"),
    setVif: none("setVif"),
    networks: call("networks"),
    joinNetwork: call("joinNetwork"),
    serveNetwork: call("serveNetwork"),
    leaveNetwork: none("leaveNetwork"),
    capture: (target, onData, options) => capture(caller, target, onData, options),
    image: ((name: string, ...params: unknown[]) => caller.call("image", [name, params])) as RemoteHost["image"],
    imageJob: ((name, params, onProgress) => imageJob(caller, name, params, onProgress)) as RemoteHost["imageJob"],
    trigger: none("trigger"),
    dumpCore: (domid, onChunk) => dumpCore(caller, domid, onChunk),
    attachConsole: async (domid, kind, onData) =>
      session(caller, await caller.callWithStream("attachConsole", [domid, kind], onData)),
    consoleScrollback: call("consoleScrollback"),
    xenstoreRead: call("xenstoreRead"),
    xenstoreList: call("xenstoreList"),
    xenstoreWrite: none("xenstoreWrite"),
    xenstoreRemove: none("xenstoreRemove"),
    xenstoreWatch: async (path, onChange) =>
      ending(caller, await caller.callWithStream("xenstoreWatch", [path], onChange)),
    subscribe: async (listener) => ending(caller, await caller.callWithStream("subscribe", [], listener)),
    close: async () => caller.end(),
  };
}

/** The answer comes when the host is done; a "no" to its progress only asks it to give up. */
async function imageJob(
  caller: Caller,
  name: string,
  params: readonly unknown[],
  onProgress: TellProgress,
): Promise<void> {
  const stream = caller.openStream<Progress>(async (progress) => {
    const goesOn = await Promise.resolve(onProgress(progress)).catch(() => false);
    if (!goesOn) caller.notify("end", stream);
  });
  try {
    await caller.call("imageJob", [stream, name, params]);
  } finally {
    caller.closeStream(stream);
  }
}

/** Chunks are handled one after the other; the call ends when the last has been. */
async function dumpCore(
  caller: Caller,
  domid: number,
  onChunk: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  let handled = Promise.resolve();
  const stream = await caller.callWithStream<Uint8Array>("dumpCore", [domid], (chunk) => {
    handled = handled.then(() => onChunk(chunk));
    handled.catch(() => undefined);
  });
  caller.notify("end", stream);
  await handled;
}

/** Pieces are handled one after the other; the end waits for the last. */
async function capture(
  caller: Caller,
  target: CaptureTarget,
  onData: (data: Uint8Array) => void | Promise<void>,
  options: CaptureOptions | undefined,
): Promise<() => Promise<CaptureStats>> {
  let handled = Promise.resolve();
  const params = options === undefined ? [target] : [target, options];
  const stream = await caller.callWithStream<Uint8Array>("capture", params, (piece) => {
    handled = handled.then(() => onData(piece));
    handled.catch(() => undefined);
  });
  return async () => {
    const stats = (await caller.call("stopCapture", [stream])) as CaptureStats;
    caller.notify("end", stream);
    await handled;
    return stats;
  };
}

function session(caller: Caller, stream: number): ConsoleSession {
  return {
    write: (data) => caller.notify("write", stream, data),
    resize: (columns, rows) => caller.notify("resize", stream, columns, rows),
    detach: () => caller.notify("end", stream),
  };
}

function ending(caller: Caller, stream: number): () => void {
  return () => caller.notify("end", stream);
}
