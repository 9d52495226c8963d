// The closed set of reasons why a format codec refuses its input.
import { err, type Failure } from "../util/index.js";

/** `truncated`: ends early; `corrupt`: breaks its format or checksum; `limit`: larger than the caller allows; `unsupported`: valid, but not ours. */
export type FormatErrorCode = "truncated" | "corrupt" | "limit" | "unsupported";

type FormatFailure = { readonly ok: false; readonly error: Failure<FormatErrorCode> };

export const truncated = (what: string): FormatFailure => err("truncated", `${what} ends early`);
export const corrupt = (what: string): FormatFailure => err("corrupt", what);
export const unsupported = (what: string): FormatFailure => err("unsupported", what);
export const overLimit = (what: string, limitBytes: number): FormatFailure =>
  err("limit", `${what} is larger than the limit of ${limitBytes} bytes`);
