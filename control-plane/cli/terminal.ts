/**
 * The user's terminal as a guest's console: raw while attached, so that every key reaches the guest, and itself again
 * however the program ends. Ctrl-] detaches, as in Xen. A pipe in place of the keyboard is passed on as it is.
 */

/** The key that detaches: Ctrl-]. */
const DETACH_BYTE = 0x1d;

/** What a terminal needs of standard input; a TTY stream has all of it. */
export interface TerminalInput {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: "data", listener: (data: Buffer) => void): unknown;
  off(event: "data", listener: (data: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** What it needs of standard output. */
export interface TerminalOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(data: Uint8Array, done: (error?: Error | null) => void): boolean;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

/** What it needs of the process: a chance to restore the terminal at the end. */
export interface ExitSource {
  on(event: "exit", listener: () => void): unknown;
  off(event: "exit", listener: () => void): unknown;
}

export interface TerminalEvents {
  onInput(data: Uint8Array): void;
  onDetach(): void;
  onResize(columns: number, rows: number): void;
}

export class Terminal {
  #attached = false;
  #events: TerminalEvents | null = null;

  constructor(
    private readonly input: TerminalInput = process.stdin,
    private readonly output: TerminalOutput = process.stdout,
    private readonly exits: ExitSource = process,
  ) {}

  /** Whether a person sits at the keyboard. */
  get interactive(): boolean {
    return this.input.isTTY === true;
  }

  /** Passes what is typed to `events` until `restore`. */
  attach(events: TerminalEvents): void {
    if (this.#attached) return;
    this.#attached = true;
    this.#events = events;
    this.exits.on("exit", this.#restore);
    if (this.interactive) this.input.setRawMode?.(true);
    this.input.on("data", this.#receive);
    this.input.resume();
    this.output.on("resize", this.#resized);
    this.#resized();
  }

  /** Gives the terminal back; harmless when that was done. */
  restore(): void {
    this.#restore();
  }

  /** Shows the guest's output; resolves when the terminal has taken it. */
  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      // A reader that went away (a closed pipe) must not hold the guest up.
      this.output.write(data, () => resolve());
    });
  }

  readonly #restore = (): void => {
    if (!this.#attached) return;
    this.#attached = false;
    this.#events = null;
    this.exits.off("exit", this.#restore);
    this.input.off("data", this.#receive);
    if (this.interactive) this.input.setRawMode?.(false);
    this.input.pause();
    this.output.off("resize", this.#resized);
  };

  readonly #receive = (data: Buffer): void => {
    const events = this.#events;
    const detachAt = this.interactive ? data.indexOf(DETACH_BYTE) : -1;
    const typed = detachAt < 0 ? data : data.subarray(0, detachAt);
    if (typed.length > 0) events?.onInput(new Uint8Array(typed));
    if (detachAt >= 0) {
      this.#restore();
      events?.onDetach();
    }
  };

  readonly #resized = (): void => {
    const { columns, rows } = this.output;
    if (columns && rows) this.#events?.onResize(columns, rows);
  };
}
