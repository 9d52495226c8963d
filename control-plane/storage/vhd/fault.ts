/** What is wrong with a structure of a file: as many as there are, for those who check; the first one thrown, for those who open. */
import { StorageError, type StorageErrorCode } from "../errors.js";

export interface FieldFault {
  readonly code: StorageErrorCode;
  /** One clause. */
  readonly what: string;
  readonly field: string;
  readonly found?: string;
  readonly expected?: string;
}

/** Fails with the first of the faults, if there is one. */
export function refuseFaults(faults: readonly FieldFault[], file: string, next?: string): void {
  const [fault] = faults;
  if (fault === undefined) return;
  const { code, what, field, found, expected } = fault;
  throw new StorageError(code, what, {
    file,
    field,
    ...(found !== undefined && { found }),
    ...(expected !== undefined && { expected }),
    ...(next !== undefined && { next }),
  });
}

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
