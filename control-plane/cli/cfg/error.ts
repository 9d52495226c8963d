/** The one error of configuration files: what is wrong, where, and what was expected there. */

/** A place in a configuration; lines and columns count from 1, columns in characters. */
export interface Position {
  /** File name, or how the command line is called. */
  readonly source: string;
  readonly line: number;
  readonly column: number;
}

/** `file:line:column`. */
export function formatPosition({ source, line, column }: Position): string {
  return `${source}:${line}:${column}`;
}

/** A configuration that is not xl.cfg syntax. */
export class CfgSyntaxError extends Error {
  constructor(
    readonly at: Position,
    /** What is wrong and what was expected, without the place. */
    readonly problem: string,
  ) {
    super(`${formatPosition(at)}: ${problem}`);
    this.name = "CfgSyntaxError";
  }
}
