/** Numbers in a front end's keys, where anything may stand. */
import { err, ok, type Result } from "../util/index.js";
import type { BackendIo } from "./backend.js";

const MOST_U32 = 0xffff_ffff;
const MOST_SHOWN = 40;

/** What stands in a key, for a message: as much as there is room for. */
export const shownValue = (text: string): string =>
  JSON.stringify(text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text);

/** A number in decimal; `absent` stands for a key that is not there, unless that is null. The message names the key. */
export function readNumber(
  io: BackendIo,
  key: string,
  absent: number | null,
  min: number,
  max: number,
): Result<number> {
  const text = io.readFrontend(key);
  if (text === null && absent !== null) return ok(absent);
  const value = text !== null && /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return ok(value);
  const found = text === null ? "missing" : shownValue(text);
  return err("denied", `${key}: ${found} where a number from ${min} to ${max} must be`);
}

/** A grant's reference or an event channel's port, which must be there. */
export const readReference = (io: BackendIo, key: string): Result<number> => readNumber(io, key, null, 0, MOST_U32);
