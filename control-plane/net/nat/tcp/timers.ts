/**
 * When connections want to be looked at: one heap for all of them and one timer of the host. What is wanted later than
 * before stays where it is, and is found not to be due when its old time comes: an ACK that moves a timeout costs nothing.
 */

export interface Timed {
  /** When it wants to be looked at, ms; infinite when it does not. */
  readonly dueMs: number;
  /** Its place in the heap, and the time it is there for: of the heap alone. */
  heapAt: number;
  heapMs: number;
  onTime(nowMs: number): void;
}

/** What is so little later is done with what is due now. */
const SLACK_MS = 1;

export class Timers<T extends Timed> {
  readonly #heap: T[] = [];
  #cancel: (() => void) | null = null;
  #wakeMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly nowMs: () => number,
    private readonly timer: (ms: number, work: () => void) => () => void,
  ) {}

  get count(): number {
    return this.#heap.length;
  }

  /** To be called when `dueMs` may have changed. */
  schedule(item: T): void {
    const due = item.dueMs;
    if (item.heapAt >= 0) {
      if (due >= item.heapMs) return;
      item.heapMs = due;
      this.#up(item.heapAt);
    } else {
      if (due === Number.POSITIVE_INFINITY) return;
      item.heapMs = due;
      item.heapAt = this.#heap.length;
      this.#heap.push(item);
      this.#up(item.heapAt);
    }
    this.#wake();
  }

  forget(item: T): void {
    if (item.heapAt < 0) return;
    this.#remove(item);
    if (this.#heap.length === 0) this.close();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#wakeMs = Number.POSITIVE_INFINITY;
    for (const item of this.#heap) item.heapAt = -1;
    this.#heap.length = 0;
  }

  #wake(): void {
    const first = this.#heap[0]!.heapMs;
    if (first >= this.#wakeMs) return;
    this.#cancel?.();
    this.#wakeMs = first;
    this.#cancel = this.timer(Math.max(0, Math.ceil(first - this.nowMs())), this.#run);
  }

  readonly #run = (): void => {
    this.#cancel = null;
    this.#wakeMs = Number.POSITIVE_INFINITY;
    const now = this.nowMs();
    // As many as there are: what is due again at once waits for the next turn.
    for (let left = this.#heap.length; left > 0; left--) {
      const item = this.#heap[0];
      if (item === undefined || item.heapMs > now + SLACK_MS) break;
      this.#remove(item);
      if (item.dueMs <= now + SLACK_MS) item.onTime(now + SLACK_MS);
      if (item.heapAt < 0 && item.dueMs !== Number.POSITIVE_INFINITY) this.#put(item);
    }
    if (this.#heap.length > 0) this.#wake();
  };

  #put(item: T): void {
    item.heapMs = item.dueMs;
    item.heapAt = this.#heap.length;
    this.#heap.push(item);
    this.#up(item.heapAt);
  }

  #remove(item: T): void {
    const at = item.heapAt;
    const last = this.#heap.pop()!;
    item.heapAt = -1;
    if (last === item) return;
    this.#heap[at] = last;
    last.heapAt = at;
    this.#up(at);
    this.#down(last.heapAt);
  }

  #up(start: number): void {
    const heap = this.#heap;
    const item = heap[start]!;
    let at = start;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above]!;
      if (other.heapMs <= item.heapMs) break;
      heap[at] = other;
      other.heapAt = at;
      at = above;
    }
    heap[at] = item;
    item.heapAt = at;
  }

  #down(start: number): void {
    const heap = this.#heap;
    const item = heap[start]!;
    let at = start;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.heapMs < heap[below]!.heapMs) below++;
      const other = heap[below]!;
      if (other.heapMs >= item.heapMs) break;
      heap[at] = other;
      other.heapAt = at;
      at = below;
    }
    heap[at] = item;
    item.heapAt = at;
  }
}
