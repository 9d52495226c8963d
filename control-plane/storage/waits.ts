/** Work of which some parts make one wait. */
import type { Pending } from "./disk.js";

/** Waits for all, also when one fails: until then buffers are in use. Fails as the first one did. */
export async function settled(waits: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waits)) if (result.status === "rejected") throw result.reason;
}

/**
 * Runs something that begins several things, which puts promises into the list it is given. When it fails midway, what it
 * began already is waited for as well.
 */
export function together(begin: (waits: Promise<void>[]) => void): Pending {
  const waits: Promise<void>[] = [];
  try {
    begin(waits);
  } catch (error) {
    if (waits.length === 0) throw error;
    waits.push(Promise.reject(error));
  }
  if (waits.length > 0) return settled(waits);
}
