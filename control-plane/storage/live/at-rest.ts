/** A snapshot of a disk whose guest's file systems are at rest meanwhile, so that none of them has anything to repair. */
import { StorageError } from "../errors.js";
import type { LiveDisk } from "./live-disk.js";

export interface SnapshotOptions {
  /** The guest's file systems are at rest: true fails where that cannot be, "try" then does without. */
  readonly quiesce?: boolean | "try";
  /** How long the guest may take to come to rest, and how long it then stays so at most; 20 s unless told. */
  readonly quiesceSeconds?: number;
}

export interface SnapshotResult {
  /** Whether it was as asked for; also where nobody uses the image. */
  readonly quiesced: boolean;
  /** Why not. */
  readonly reason: string | null;
}

/** Brings the guest of a disk to rest for as long as `work` takes; throws `not-quiesced` when it was not all that time. */
export type Quiesce = (disk: LiveDisk, seconds: number, work: () => Promise<void>) => Promise<void>;

export interface SnapshotWork {
  take(): Promise<void>;
  /** Takes the snapshot back: what the disk holds stays. Throws where that cannot be. */
  undo(): Promise<void>;
}

const SECONDS = 20;
const MOST_SECONDS = 600;
const NOT_ASKED: SnapshotResult = { quiesced: false, reason: null };

export async function snapshotAtRest(
  disk: LiveDisk | undefined,
  quiesce: Quiesce | null,
  options: SnapshotOptions,
  { take, undo }: SnapshotWork,
): Promise<SnapshotResult> {
  const seconds = options.quiesceSeconds ?? SECONDS;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > MOST_SECONDS) {
    const details = { found: `${seconds}`, expected: `a whole number of seconds from 1 to ${MOST_SECONDS}` };
    throw new StorageError("bad-request", "a guest cannot be at rest for that long", details);
  }
  const asked = options.quiesce !== undefined && options.quiesce !== false;
  if (!asked || disk === undefined || quiesce === null) {
    await take();
    return asked ? { quiesced: true, reason: null } : NOT_ASKED;
  }
  let taken = false;
  try {
    await quiesce(disk, seconds, async () => {
      await take();
      taken = true;
    });
    return { quiesced: true, reason: null };
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "not-quiesced") throw error;
    if (options.quiesce === "try") {
      if (!taken) await take();
      return { quiesced: false, reason: error.message };
    }
    if (!taken) throw error;
    await undo().catch(() => {
      const next = "the snapshot stays, as a power cut would have left it";
      throw new StorageError("not-quiesced", error.message, { next });
    });
    throw error;
  }
}
