/**
 * What a console keeps across save and restore: its scrollback and the input that waits. The rings themselves are guest
 * memory and travel with it.
 */
import { concatBytes, err, ok, type Result } from "../../util/index.js";
import type { ConsoleStream } from "./stream.js";

const VERSION = 1;

export interface SavedConsole {
  readonly version: number;
  readonly scrollback: Uint8Array;
  readonly input: Uint8Array;
}

export function saveConsole(stream: ConsoleStream): SavedConsole {
  return { version: VERSION, scrollback: stream.scrollback(), input: concatBytes(stream.pendingInput()) };
}

/** Fills a fresh stream. */
export function restoreConsole(stream: ConsoleStream, saved: SavedConsole): Result<void, "unsupported"> {
  if (saved.version !== VERSION) return err("unsupported", `saved console version ${saved.version} is not ${VERSION}`);
  stream.restoreScrollback(saved.scrollback);
  stream.input(saved.input);
  return ok(undefined);
}
