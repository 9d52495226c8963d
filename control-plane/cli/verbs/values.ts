/** Checks of options' values. */
import { InvalidArgumentError } from "commander";

/** A whole number in a range. */
export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

/** Seconds, with a fraction if need be. */
export function seconds(value: string): number {
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (number > 0 && number <= 2_000_000) return number;
  throw new InvalidArgumentError("Expected a number of seconds above 0.");
}

/** One of some words. */
export function oneOf<T extends string>(...words: readonly T[]): (value: string) => T {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Expected ${words.map((word) => `"${word}"`).join(" or ")}.`);
  };
}
