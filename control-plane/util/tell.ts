/** Words to listeners that may be in another thread or process, and may be gone by now. */

export type Listener<T> = (value: T) => void | Promise<void>;

/** Tells a listener; `gone` is called when it fails, at once or later, and nothing of that reaches who tells. */
export function tell<T>(listener: Listener<T>, value: T, gone: () => void): void {
  try {
    // What comes from across a message port is a promise whatever its type says.
    const told: unknown = listener(value);
    if (told instanceof Promise) told.catch(gone);
  } catch {
    gone();
  }
}
