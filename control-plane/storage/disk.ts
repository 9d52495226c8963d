/**
 * What a disk is to those who use one: sectors that are read and written, scatter-gather, straight from and to the memory
 * of a guest. The block back end stands on this, and so does every layer of a chain of images on the one below it.
 */
import type { Asker } from "./asker.js";

/** Every disk here has sectors of this size, whatever the guest is told of physical ones. */
export const SECTOR_BYTES = 512;

/**
 * Nothing when the work is done already, which is the common case; else a promise that settles when it is. A failure is a
 * StorageError, thrown or rejected the same way.
 */
export type Pending = void | Promise<void>;

/**
 * A disk of 512-byte sectors. Its contract:
 *
 * - Buffers are views, also of shared memory, each a multiple of 512 bytes long and not empty. A request covers as many
 *   sectors as its buffers hold together. The disk keeps no buffer after the request is done; until then neither the
 *   buffers nor the array that lists them may be given to anything else.
 * - Requests may overlap in time. Overlapping requests to the same sectors have no order unless one was done before the
 *   other was made, as with real disks.
 * - A write that is done is seen by every later read. It is *durable*, there after the process was killed or the host lost
 *   power, once a flush that was made after it is done.
 * - A sector is never torn: after a crash it holds what one write put there.
 * - An `asker` may leave: a read of his that waits then fails soon, with `closed`, and touches its buffers no more. Others'
 *   reads of the same image go on.
 * - A request beyond the end, or a write to a read-only disk, fails and changes nothing. A failed write may have written
 *   any of its sectors.
 */
export interface Disk {
  /** For people: format and name. */
  readonly description: string;
  /** May grow while the disk is open; never shrinks then. */
  readonly sectors: number;
  readonly sectorSize: typeof SECTOR_BYTES;
  readonly readOnly: boolean;
  /** Whether `discard` may free anything; otherwise it does nothing. */
  readonly supportsDiscard: boolean;

  read(sector: number, into: readonly Uint8Array[], asker?: Asker): Pending;
  write(sector: number, from: readonly Uint8Array[]): Pending;
  /** Makes durable every write that was done when this was called. */
  flush(): Pending;
  /** The contents of these sectors no longer matter; what they hold afterwards is not defined. */
  discard(sector: number, count: number): Pending;
  /** Whether none of these sectors, all within the disk, is held anywhere, so that they read as zeros. Absent: some may be. */
  holdsNothing?(sector: number, count: number): boolean;
  /** Flushes and gives up the image; the disk cannot be used afterwards. Closing twice does nothing. */
  close(): Pending;
}
