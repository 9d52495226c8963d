/** The engine against the kernel's TCP, in real time, over a line that may be bad. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "../../../../util/index.js";
import { Packet } from "../../../index.js";
import type { Outside, OutsideStream, StreamEvents } from "../../../outside/index.js";
import { Tcp, type TcpLimits } from "../index.js";
import type { Bad } from "./simulation.js";

const VNET_BYTES = 10;
const NEEDS_CSUM = 1;
const [GSO_TCPV4, GSO_TCPV6] = [1, 4];
const [IPV4_BYTES, IPV6_BYTES] = [20, 40];
const TCP = 6;

/** Why there can be no such test on this machine; null when there can. */
export function kernelIsMissing(): string | null {
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  try {
    execFileSync("unshare", ["-n", "/usr/bin/python3", "-c", "open('/dev/net/tun', 'r+b', buffering=0)"]);
    return null;
  } catch {
    return "network namespaces and TUN devices need root";
  }
}

const pair = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | (bytes[at + 1] ?? 0);

/** A sum of 16-bit words. [RFC 1071] */
function sum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let total = start;
  for (let at = from; at < to; at += 2) total += at + 1 < to ? pair(bytes, at) : bytes[at]! << 8;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

export interface Transfer {
  readonly address?: string;
  readonly port: number;
  readonly up?: number;
  readonly down?: number;
  readonly [more: string]: unknown;
}

export interface Outcome {
  readonly error: string | null;
  readonly got: number;
  readonly digest: string | null;
}

/** The bytes that `kernel-guest.py` sends. */
export function* pattern(count: number, seed = 1): Iterable<Uint8Array> {
  const block = Uint8Array.from({ length: 65_536 }, (_, n) => (n * 7 + seed * 31 + (n >> 8)) & 255);
  for (let done = 0; done < count; done += 65_536) yield block.slice(0, Math.min(65_536, count - done));
}

export function digestOf(chunks: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

/** A server outside: hashes what comes, and sends a pattern when it may. */
export class Server implements OutsideStream {
  got = 0;
  readonly hash = createHash("sha256");
  isEnded = false;
  isAborted = false;
  error: string | null | undefined;
  /** Milliseconds that it takes no more after each write; 0: it takes all. */
  slowMs = 0;
  events!: StreamEvents;
  #isPaused = false;
  #rest: Iterator<Uint8Array> | null = null;

  write(bytes: Uint8Array): boolean {
    this.got += bytes.length;
    this.hash.update(bytes);
    if (this.slowMs === 0) return true;
    setTimeout(() => this.events.drained(), this.slowMs);
    return false;
  }
  end(): void {
    this.isEnded = true;
  }
  abort(): void {
    this.isAborted = true;
  }
  pauseReading(): void {
    this.#isPaused = true;
  }
  resumeReading(): void {
    this.#isPaused = false;
    setImmediate(() => this.#go());
  }

  /** Sends so many bytes and its end. */
  send(count: number): void {
    this.#rest = pattern(count)[Symbol.iterator]();
    this.#go();
  }

  #go(): void {
    while (!this.#isPaused && this.#rest !== null) {
      const { value, done } = this.#rest.next();
      if (done) {
        this.#rest = null;
        this.events.ended();
      } else this.events.data(value);
    }
  }
}

export class KernelGuest {
  readonly tcp: Tcp;
  readonly servers: Server[] = [];
  /** A new connection of the guest. */
  onServer: (server: Server, port: number) => void = () => {};
  readonly #child: ChildProcess;
  readonly #packet = new Packet(null);
  readonly #answers = new Map<number, (answer: Outcome & { listening?: boolean }) => void>();
  readonly #random = new SeededRandom(7);
  #ids = 0;
  #input: Buffer = Buffer.alloc(0);
  isReady: Promise<void>;
  largest = 0;

  constructor(
    options: { mtu?: number; large?: boolean; sysctl?: Record<string, unknown> } = {},
    private readonly bad: Bad = { loss: 0, duplicate: 0, reorder: 0 },
    limits: Partial<TcpLimits> = {},
  ) {
    const script = fileURLToPath(new URL("kernel-guest.py", import.meta.url));
    const child = spawn("unshare", ["-n", "/usr/bin/python3", script, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit", "pipe", "pipe"],
    });
    this.#child = child;
    child.stdin!.on("error", () => {});
    child.stdout!.on("data", (bytes: Buffer) => this.#take(bytes));
    let lines = "";
    this.isReady = new Promise((ready) => {
      (child.stdio[4] as Readable).on("data", (bytes: Buffer) => {
        lines += bytes.toString();
        const whole = lines.split("\n");
        lines = whole.pop()!;
        for (const line of whole) {
          const answer = JSON.parse(line);
          if (answer.ready) ready();
          else this.#answers.get(answer.id)?.(answer);
        }
      });
    });
    const start = performance.now();
    this.tcp = new Tcp(
      {
        clock: { now: () => (performance.now() - start) * 1e6 },
        random: this.#random,
        timer: (ms, work) => {
          const timer = setTimeout(work, ms);
          return () => clearTimeout(timer);
        },
        outside: { openStream: (_: string, port: number, events: StreamEvents) => this.#open(port, events) } as Outside,
        payerOf: (address) => address.join("."),
        outsideAddress: (address) => (address[0] === 198 ? null : "there"),
        send: (...segment) => this.#send(...segment),
      },
      { mtu: options.mtu ?? 1500, ...limits },
    );
  }

  /** Has the guest do something; resolves with what came of it, or when it listens. */
  run(transfer: Transfer): { done: Promise<Outcome>; listening: Promise<void> } {
    const id = ++this.#ids;
    let listens = () => {};
    const listening = new Promise<void>((resolve) => {
      listens = resolve;
    });
    const done = new Promise<Outcome>((resolve) => {
      this.#answers.set(id, (answer) => (answer.listening ? listens() : resolve(answer)));
    });
    const command = { id, address: "192.0.2.1", ...transfer };
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify(command)}\n`);
    return { done, listening };
  }

  close(): void {
    this.tcp.close();
    this.#child.kill("SIGKILL");
  }

  #open(port: number, events: StreamEvents): OutsideStream {
    const server = new Server();
    server.events = events;
    this.servers.push(server);
    setImmediate(() => {
      if (port === 7) events.closed("refused");
      else {
        events.opened();
        this.onServer(server, port);
      }
    });
    return server;
  }

  #take(bytes: Buffer): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    let at = 0;
    while (this.#input.length >= at + 4) {
      const length = this.#input.readUInt32LE(at);
      if (this.#input.length < at + 4 + length) break;
      const packet = Uint8Array.prototype.slice.call(this.#input, at + 4 + VNET_BYTES, at + 4 + length);
      at += 4 + length;
      this.#badly(() => this.#toEngine(packet));
    }
    this.#input = this.#input.subarray(at);
  }

  #toEngine(packet: Uint8Array): void {
    const isIpv4 = packet[0]! >>> 4 === 4;
    const at = isIpv4 ? (packet[0]! & 15) * 4 : IPV6_BYTES;
    if (packet[isIpv4 ? 9 : 6] !== TCP) return;
    const end = isIpv4 ? pair(packet, 2) : IPV6_BYTES + pair(packet, 4);
    const [source, size] = isIpv4 ? [12, 4] : [8, 16];
    this.largest = Math.max(this.largest, packet.length);
    this.#packet.wrap(packet);
    this.tcp.input(
      packet.slice(source, source + size),
      packet.slice(source + size, source + 2 * size),
      this.#packet,
      at,
      end,
    );
  }

  #send(
    source: Uint8Array,
    destination: Uint8Array,
    header: Uint8Array,
    payload: Uint8Array | null,
    gso: number,
  ): boolean {
    if (this.bad.loss === 0 || payload === null || gso === 0) {
      this.#sendOne(source, destination, header.slice(), payload ?? new Uint8Array(0), gso);
      return true;
    }
    // A bad line loses what travels on it: segments.
    for (let from = 0; from < payload.length; from += gso) {
      const one = header.slice();
      const view = new DataView(one.buffer);
      view.setUint32(4, view.getUint32(4) + from);
      this.#sendOne(source, destination, one, payload.slice(from, from + gso), 0);
    }
    return true;
  }

  #sendOne(source: Uint8Array, destination: Uint8Array, header: Uint8Array, payload: Uint8Array, gso: number): void {
    const isIpv4 = source.length === 4;
    const at = isIpv4 ? IPV4_BYTES : IPV6_BYTES;
    const length = header.length + payload.length;
    const out = new Uint8Array(VNET_BYTES + at + length);
    const vnet = new DataView(out.buffer);
    const isLarge = gso > 0 && payload.length > gso;
    vnet.setUint8(0, NEEDS_CSUM);
    vnet.setUint8(1, isLarge ? (isIpv4 ? GSO_TCPV4 : GSO_TCPV6) : 0);
    vnet.setUint16(2, isLarge ? at + header.length : 0, true);
    vnet.setUint16(4, isLarge ? gso : 0, true);
    vnet.setUint16(6, at, true);
    vnet.setUint16(8, 16, true);
    const packet = out.subarray(VNET_BYTES);
    const view = new DataView(out.buffer, VNET_BYTES);
    if (isIpv4) {
      packet.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, TCP]);
      view.setUint16(2, at + length);
    } else {
      packet.set([0x60, 0, 0, 0, 0, 0, TCP, 64]);
      view.setUint16(4, length);
    }
    packet.set(source, at - 2 * source.length);
    packet.set(destination, at - source.length);
    if (isIpv4) view.setUint16(10, ~sum(packet, 0, IPV4_BYTES));
    packet.set(header, at);
    packet.set(payload, at + header.length);
    view.setUint16(at + 16, sum(packet, at - 2 * source.length, at, TCP + length));
    this.#badly(() => this.#write(out));
  }

  #write(out: Uint8Array): void {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(out.length);
    const { stdin } = this.#child;
    stdin!.cork();
    stdin!.write(size);
    stdin!.write(out);
    process.nextTick(() => stdin!.uncork());
  }

  /** Does it, or does it late, twice or never. */
  #badly(work: () => void): void {
    const { loss, duplicate, reorder } = this.bad;
    const chance = (p: number): boolean => p > 0 && this.#random.u32() / 2 ** 32 < p;
    if (chance(loss)) return;
    for (let copies = chance(duplicate) ? 2 : 1; copies > 0; copies--) {
      if (chance(reorder)) setTimeout(work, 1 + (this.#random.u32() % 8));
      else work();
    }
  }
}
