/** Which linear addresses exist: canonical ones in 64-bit mode, 32-bit ones elsewhere. [SDM] vol. 1, 3.3.7.1. */

/** True when bits 63:47 of `lin` are all equal. */
@inline
export function isCanonical(lin: u64): bool {
  return <u64>((<i64>(lin << 16)) >> 16) == lin;
}
