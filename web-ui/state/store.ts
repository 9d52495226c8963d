/**
 * The page's one way to hold changing state: a value with listeners. No DOM here, so everything under state/ runs in
 * Node. Listeners are called with the new value, in the order they subscribed, and never for an identical value.
 */

export interface Readable<T> {
  get(): T;
  /** Calls `listener` at once and then on every change. The returned function ends it. */
  subscribe(listener: (value: T) => void): () => void;
}

export class Store<T> implements Readable<T> {
  private readonly listeners = new Set<(value: T) => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const listener of [...this.listeners]) listener(value);
  }

  /** Replaces some fields of an object value. */
  patch(fields: Partial<T>): void {
    this.set({ ...this.value, ...fields });
  }

  subscribe(listener: (value: T) => void): () => void {
    this.listeners.add(listener);
    listener(this.value);
    return () => this.listeners.delete(listener);
  }
}
