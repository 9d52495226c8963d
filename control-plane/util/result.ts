// Result: how Domain0 reports what can go wrong without throwing.
//
// Guest data, files and the network are hostile or absent as a matter of course, so codecs and recipes return a value
// that says which. `code` is from the closed set of the function that returns it; `message` is one sentence for a person.

/** Why something failed: a code for programs and a sentence for people. */
export interface Failure<Code extends string = string> {
  readonly code: Code;
  readonly message: string;
  /** What to do about it, as one clause that the message does not say. */
  readonly next?: string;
}

/** Either a value or the reason why there is none. */
export type Result<T, Code extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: Failure<Code> };

/** A success that carries `value`. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** A failure with its code and message. */
export function err<Code extends string>(
  code: Code,
  message: string,
  next?: string,
): { readonly ok: false; readonly error: Failure<Code> } {
  return { ok: false, error: { code, message, ...(next === undefined ? {} : { next }) } };
}

/** The value, or an exception: only for tests and for results that cannot fail by construction. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.error.code}: ${result.error.message}`);
}
