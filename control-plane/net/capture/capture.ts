/**
 * A recording of frames as a pcapng stream. Frames are copied once, into a chunk of bytes that goes to the listener
 * when it is full or a moment old. A listener that cannot keep up says so; what does not fit into the buffer meanwhile
 * is left out and counted, and the file says how much was.
 */
import type { Clock } from "../../util/index.js";
import type { Packet } from "../packet.js";
import {
  Direction,
  interfaceBlock,
  packetBlockBytes,
  sectionBlock,
  setTimestamp,
  statisticsBlock,
  type Timestamp,
  writePacketBlock,
} from "./pcapng.js";

/** Takes the next bytes of the file, which it may keep. False: no more until `resume`. One that throws ends the recording. */
export type CaptureListener = (bytes: Uint8Array) => boolean;
/** Does `work` once after some time; the answer calls it off. */
export type Timer = (ms: number, work: () => void) => () => void;

export interface CaptureOptions {
  /** Bytes of each frame that are recorded; all when absent. */
  readonly snaplen?: number;
  /** Most bytes that are kept for a listener that takes none. */
  readonly bufferBytes?: number;
  /** What the host's clock said, in milliseconds since 1970, when ours said 0. */
  readonly epochMs?: number;
  /** Called once, when the recording is over, whoever has ended it. False: its listener threw, and has not got all of it. */
  readonly ended?: (isWhole: boolean) => void;
}

export interface CaptureParts {
  readonly clock: Clock;
  readonly timer: Timer;
  /** The recording is over. */
  readonly closed: () => void;
}

export interface CaptureStats {
  readonly frames: number;
  readonly drops: number;
  readonly bytes: number;
}

interface Interface {
  received: number;
  dropped: number;
  /** Dropped since the last frame that was recorded. */
  gap: number;
}

const CHUNK_BYTES = 64 * 1024;
const BUFFER_BYTES = 4 * 1024 * 1024;
const FLUSH_MS = 100;
const EMPTY = new Uint8Array(0);
const APPLICATION = "Xenolith";
/** What Wireshark takes: 256 KiB. A large segment is less. */
const MOST_SNAPLEN = 262144;

export class Capture {
  readonly snaplen: number;
  readonly #limit: number;
  readonly #epochMs: number;
  readonly #ended: (isWhole: boolean) => void;
  readonly #interfaces: Interface[] = [];
  /** Full chunks that wait for the listener. */
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #chunk = EMPTY;
  #view = new DataView(this.#chunk.buffer);
  #used = 0;
  /** Where the last block begins if it is a frame, else -1. */
  #last = -1;
  #lastGap = 0;
  #isBlocked = false;
  /** No more frames are recorded. */
  #isClosed = false;
  /** The listener gets nothing any more. */
  #isOver = false;
  #cancelFlush: (() => void) | null = null;
  #bytes = 0;
  readonly #time: Timestamp = { high: 0, low: 0 };
  /** The fields of the frame at hand, kept so that none is allocated. */
  readonly #block = {
    interfaceId: 0,
    time: this.#time,
    captured: 0,
    length: 0,
    direction: Direction.IN as Direction,
    drops: 0,
  };

  constructor(
    private readonly listener: CaptureListener,
    private readonly parts: CaptureParts,
    options: CaptureOptions = {},
  ) {
    this.snaplen = Math.min(Math.max(options.snaplen ?? MOST_SNAPLEN, 1), MOST_SNAPLEN);
    this.#limit = options.bufferBytes ?? BUFFER_BYTES;
    this.#epochMs = options.epochMs ?? 0;
    this.#ended = options.ended ?? (() => undefined);
    this.#append(sectionBlock(APPLICATION));
  }

  /** Where frames are seen. The answer is its number in the file. */
  addInterface(name: string, mac: Uint8Array | null): number {
    this.#append(interfaceBlock(name, mac, this.snaplen));
    return this.#interfaces.push({ received: 0, dropped: 0, gap: 0 }) - 1;
  }

  record(interfaceId: number, direction: Direction, packet: Packet): void {
    if (this.#isClosed) return;
    const seen = this.#interfaces[interfaceId]!;
    const captured = Math.min(packet.length, this.snaplen);
    const size = packetBlockBytes(captured);
    seen.received++;
    if (this.#isBlocked && this.#waitingBytes + this.#used + size > this.#limit) {
      seen.dropped++;
      seen.gap++;
      this.#last = -1;
      return;
    }
    // Whoever takes the file may end the recording over it.
    if (!this.#reserve(size) || this.#isClosed) {
      seen.dropped++;
      return;
    }
    this.#stamp();
    const block = this.#block;
    block.interfaceId = interfaceId;
    block.captured = captured;
    block.length = packet.length;
    block.direction = direction;
    block.drops = seen.gap;
    const data = writePacketBlock(this.#view, this.#used, block);
    packet.copyTo(this.#chunk, data, 0, captured);
    this.#last = this.#used;
    this.#lastGap = seen.gap;
    this.#used += size;
    seen.gap = 0;
  }

  /** The frame that was just recorded was not taken after all, and will be recorded when it is sent again. */
  undo(interfaceId: number): void {
    const seen = this.#interfaces[interfaceId]!;
    if (this.#last < 0 || this.#isClosed) return;
    seen.received--;
    seen.gap = this.#lastGap;
    this.#used = this.#last;
    this.#last = -1;
  }

  /** The listener takes bytes again. */
  resume(): void {
    if (this.#isOver) return;
    this.#isBlocked = false;
    while (!this.#isBlocked && this.#waiting.length > 0) {
      const bytes = this.#waiting.shift()!;
      this.#waitingBytes -= bytes.length;
      this.#give(bytes);
    }
    if (!this.#isBlocked) this.#hand();
  }

  stats(): CaptureStats {
    const sum = (of: (seen: Interface) => number): number => this.#interfaces.reduce((all, seen) => all + of(seen), 0);
    const drops = sum((seen) => seen.dropped);
    return { frames: sum((seen) => seen.received) - drops, drops, bytes: this.#bytes };
  }

  /** Ends the file: with what is buffered, and each interface's statistics. The listener takes it even if it took nothing before. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stamp();
    this.#interfaces.forEach((seen, id) => {
      this.#append(statisticsBlock(id, this.#time, seen.received, seen.dropped));
    });
    this.#hand();
    for (const bytes of this.#waiting) this.#give(bytes);
    this.#end(true);
  }

  #end(isWhole: boolean): void {
    if (this.#isOver) return;
    this.#isClosed = true;
    this.#isOver = true;
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#chunk = EMPTY;
    this.#used = 0;
    this.#last = -1;
    this.parts.closed();
    this.#ended(isWhole);
  }

  #stamp(): void {
    const ms = Math.floor(this.#epochMs);
    const now = Math.floor(this.parts.clock.now());
    const nanoseconds = (ms % 1000) * 1e6 + (now % 1e9);
    setTimestamp(this.#time, Math.floor(ms / 1000) + Math.floor(now / 1e9), nanoseconds);
  }

  #append(block: Uint8Array): void {
    if (!this.#reserve(block.length)) return;
    this.#chunk.set(block, this.#used);
    this.#used += block.length;
    this.#last = -1;
  }

  /** Makes room for a block, which is not split between chunks. False: there is none any more. */
  #reserve(bytes: number): boolean {
    if (this.#used + bytes > this.#chunk.length) {
      this.#hand();
      if (this.#isOver) return false;
      this.#chunk = new Uint8Array(Math.max(CHUNK_BYTES, bytes));
      this.#view = new DataView(this.#chunk.buffer);
    }
    this.#cancelFlush ??= this.parts.timer(FLUSH_MS, () => {
      this.#cancelFlush = null;
      if (!this.#isBlocked) this.#hand();
    });
    return true;
  }

  /** Parts with what is in the chunk. */
  #hand(): void {
    if (this.#used === 0) return;
    // With its buffer, which the listener may transfer to another thread.
    const bytes = this.#chunk.subarray(0, this.#used);
    this.#chunk = EMPTY;
    this.#used = 0;
    this.#last = -1;
    if (this.#isBlocked) {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    } else {
      this.#give(bytes);
    }
  }

  #give(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#bytes += bytes.length;
    try {
      if (!this.listener(bytes)) this.#isBlocked = true;
    } catch {
      // Not for whoever sent the frame: it would be a sender's failure that somebody's disk is full.
      this.#end(false);
    }
  }
}
