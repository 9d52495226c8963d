/** Joins a comparison and the conditional jump behind it: the comparison's record then names the handler of both. */
import { PAIRS } from "../gen/handlers";
import { PAIR_FIRST, PAIR_OF, PAIR_SECOND, PAIR_STRIDE } from "../gen/pairs";
import { placeIn, Rec } from "./record";

/** `first` decoded as `variant`, and the instruction behind it as `next`. */
export function joinPair(first: Rec, variant: u32, next: u32): void {
  const line = <u32>load<u8>(PAIR_FIRST + variant);
  const place = <u32>load<u8>(PAIR_SECOND + next);
  if (line == 0 || place == 0) return;
  const n = <u32>load<u16>(PAIR_OF + <usize>((line - 1) * PAIR_STRIDE + place - 1) * 2);
  if (n == 0) return;
  first.fn = <u16>placeIn(changetype<usize>(PAIRS), n - 1);
}
