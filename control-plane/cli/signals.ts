/** What a person, or whoever looks after this process, says to verbs that go on until they are told to end. */

/** Resolves when this process is asked to end. */
export function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
