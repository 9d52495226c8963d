/** Operations on images that take long: what they are doing, how far they are and how fast, and a way to stop them. */
import type { Progress, TellProgress } from "../../control-plane/api/index.js";
import { Store } from "./store.js";

export interface JobProgress {
  readonly doneBytes: number;
  /** Null until it is known. */
  readonly totalBytes: number | null;
  /** Over the last seconds; null until it can be told. */
  readonly bytesPerSecond: number | null;
}

/** What is looked back on for the rate, ms. */
const RATE_WINDOW_MS = 3000;

export class ImageJob {
  readonly progress = new Store<JobProgress>({ doneBytes: 0, totalBytes: null, bytesPerSecond: null });
  cancelled = false;
  private samples: { readonly atMs: number; readonly doneBytes: number }[] = [];
  private readonly abort = new AbortController();

  constructor(
    readonly title: string,
    private readonly now: () => number,
  ) {}

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  cancel(): void {
    this.cancelled = true;
    this.abort.abort();
  }

  /** To be handed to Domain0. */
  readonly tell: TellProgress = ({ doneBytes, totalBytes }: Progress) => {
    this.show(doneBytes, totalBytes);
    return !this.cancelled;
  };

  show(doneBytes: number, totalBytes: number): void {
    const atMs = this.now();
    // A further step of the same job begins at nothing again.
    if (doneBytes < (this.samples.at(-1)?.doneBytes ?? 0)) this.samples = [];
    this.samples = [...this.samples.filter((sample) => atMs - sample.atMs <= RATE_WINDOW_MS), { atMs, doneBytes }];
    const first = this.samples[0]!;
    const elapsedMs = atMs - first.atMs;
    const bytesPerSecond = elapsedMs > 0 ? ((doneBytes - first.doneBytes) * 1000) / elapsedMs : null;
    this.progress.set({ doneBytes, totalBytes, bytesPerSecond });
  }
}

export class ImageJobs {
  readonly running = new Store<readonly ImageJob[]>([]);

  constructor(private readonly now: () => number) {}

  /** Shows a job while `work` is under way. Resolves false when it was cancelled; other failures are thrown. */
  async run(title: string, work: (job: ImageJob) => Promise<void>): Promise<boolean> {
    const job = new ImageJob(title, this.now);
    this.running.set([...this.running.get(), job]);
    try {
      await work(job);
      return true;
    } catch (error) {
      if (job.cancelled) return false;
      throw error;
    } finally {
      this.running.set(this.running.get().filter((other) => other !== job));
    }
  }
}
