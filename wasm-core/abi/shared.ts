/** Which of the core's two builds a memory is for: shared by workers, or of one thread. */
export function isShared(memory: { readonly buffer: ArrayBufferLike }): boolean {
  // Asked this way round: a page that is not isolated has no SharedArrayBuffer to compare with.
  return !(memory.buffer instanceof ArrayBuffer);
}
