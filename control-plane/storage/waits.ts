/** Waits for all, also when one fails: until then buffers are in use. Fails as the first one did. */
export async function settled(waits: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waits)) if (result.status === "rejected") throw result.reason;
}
