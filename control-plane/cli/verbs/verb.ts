/** What a verb is to the command line: its words, its help, and the code behind it, loaded when it is called. */

/** The code of a verb; resolves to the exit status. Options are as commander names them, checked by `parse` below. */
export type Command = (args: readonly string[], options: never) => Promise<number>;

export interface VerbOption {
  readonly flags: string;
  readonly text: string;
  /** Checks and converts the value; throws commander's InvalidArgumentError. */
  readonly parse?: (value: string) => unknown;
}

export interface Verb {
  readonly name: string;
  readonly alias?: string;
  /** As commander writes arguments: `<domain> [file]`. */
  readonly arguments?: string;
  /** One line, for the list of verbs. */
  readonly summary: string;
  /** More, for the verb's own help. */
  readonly details?: string;
  readonly options?: readonly VerbOption[];
  /** Command lines after `xl `, with what they do. */
  readonly examples: readonly (readonly [command: string, effect: string])[];
  /** Verbs below this one; it does nothing by itself then. */
  readonly verbs?: readonly Verb[];
  load(): Promise<Command>;
}
