/** Recordings of frames on their way to whoever asked for them, perhaps in another thread or process. */
import type { CaptureOptions, CaptureStats, CaptureTarget } from "../api/types.js";
import type { Capture, CaptureListener, Timer } from "../net/index.js";
import { err, type LogRing, ok } from "../util/index.js";
import type { Toolstack, ToolstackResult } from "./toolstack.js";
import { findVif } from "./vif-requests.js";

/** Takes a piece of the file; a promise that it answers says when it can take more. An empty one says that no more come. */
export type TakePiece = (data: Uint8Array) => void | Promise<void>;

/** Ends a recording; resolves when all of it has been taken, or nobody is there who takes it. */
export type StopCapture = () => Promise<CaptureStats>;

/** Pieces on their way at a time. */
const UNDER_WAY = 4;
/** Whoever takes none for so long is not there any more, and cannot say so. */
const PATIENCE_MS = 5000;
const SNAPLEN_MAX = 262_144;

export function startCapture(
  toolstack: Toolstack,
  target: CaptureTarget,
  take: TakePiece,
  options: CaptureOptions,
): ToolstackResult<StopCapture> {
  const { snaplen } = options;
  if (snaplen !== undefined && !(Number.isInteger(snaplen) && snaplen >= 1 && snaplen <= SNAPLEN_MAX)) {
    return err("bad-config", `snaplen: ${snaplen} is not a whole number from 1 to ${SNAPLEN_MAX}`);
  }
  const { vifs } = toolstack.context;
  const given = snaplen === undefined ? {} : { snaplen };
  if ("network" in target) {
    const network = vifs.networks.hold(target.network);
    const feed = new Feed(take, vifs, (listener) => network.tap(listener, given));
    return ok(
      once(async () => {
        const stats = await feed.stop();
        network.release();
        return stats;
      }),
    );
  }
  const found = findVif(toolstack, target.domid, target.devid);
  if (!found.ok) return found;
  const feed = new Feed(take, vifs, (listener, gone) => found.value.vif.tap(listener, given, gone));
  return ok(once(() => feed.stop()));
}

/** Whoever stops a recording twice gets the same answer twice. */
function once(stop: StopCapture): StopCapture {
  let stopped: Promise<CaptureStats> | null = null;
  return () => {
    stopped ??= stop();
    return stopped;
  };
}

class Feed {
  readonly #capture: Capture;
  readonly #underWay = new Set<Promise<void>>();
  #hasFailed = false;

  constructor(
    private readonly take: TakePiece,
    private readonly parts: { readonly timer: Timer; readonly log: LogRing },
    tap: (listener: CaptureListener, gone: () => void) => Capture,
  ) {
    this.#capture = tap(
      (bytes) => this.#give(bytes),
      () => this.#gone(),
    );
  }

  async stop(): Promise<CaptureStats> {
    this.#capture.close();
    while (this.#underWay.size > 0 && (await this.#isTaken()));
    return this.#capture.stats();
  }

  /** Whether another piece is taken in time. */
  async #isTaken(): Promise<boolean> {
    const before = this.#underWay.size;
    await new Promise<void>((resolve) => {
      const cancel = this.parts.timer(PATIENCE_MS, resolve);
      void Promise.race(this.#underWay).then(() => {
        cancel();
        resolve();
      });
    });
    return this.#underWay.size < before;
  }

  /** There is nothing to record any more: whoever takes the file gets the rest of it, and is told. */
  #gone(): void {
    this.#capture.close();
    this.#give(new Uint8Array(0));
  }

  #give(bytes: Uint8Array): boolean {
    const taken = this.#hand(bytes).then(() => {
      this.#underWay.delete(taken);
      this.#capture.resume();
    });
    this.#underWay.add(taken);
    return this.#underWay.size < UNDER_WAY;
  }

  async #hand(bytes: Uint8Array): Promise<void> {
    // Nothing follows a piece that was not taken: the file ends with what was.
    if (this.#hasFailed) return;
    try {
      await this.take(bytes);
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.parts.log.write(`a recording has ended, as nobody takes it: ${String(error)}`);
      this.#capture.close();
    }
  }
}
