/**
 * The two byte rings between a domain's serial devices and Domain0. Indices run freely and each has one writer: the
 * producer stores bytes and then advances `prod`, the consumer copies and then advances `cons`. The doorbell is rung
 * only when the ring was empty, so a consumer looks at `prod` again after it has advanced `cons`.
 */
import { MachineOff, PlatformState, PlatformStateOff, SERIAL_IN_BYTES, SERIAL_OUT_BYTES } from "../../gen/layout";
import { ring } from "../../util/atomics";
import { machine } from "../../util/host";

@inline
function at(platform: PlatformState, field: usize): usize {
  return changetype<usize>(platform) + field;
}

/** True when a byte can be put out. */
export function serialOutHasRoom(platform: PlatformState): bool {
  const cons = atomic.load<u32>(at(platform, PlatformStateOff.serialOutCons));
  return platform.serialOutProd - cons < <u32>SERIAL_OUT_BYTES;
}

/** Puts a byte out to Domain0; false when the ring is full. The caller holds the platform lock. */
export function serialOut(platform: PlatformState, byte: u32): bool {
  const prod = platform.serialOutProd;
  const used = prod - atomic.load<u32>(at(platform, PlatformStateOff.serialOutCons));
  if (used >= <u32>SERIAL_OUT_BYTES) return false;
  store<u8>(at(platform, PlatformStateOff.serialOut) + (prod & (<u32>SERIAL_OUT_BYTES - 1)), <u8>byte);
  atomic.store<u32>(at(platform, PlatformStateOff.serialOutProd), prod + 1);
  // Looked at again: Domain0 may have emptied the ring since, and have gone to sleep.
  const wasEmpty = atomic.load<u32>(at(platform, PlatformStateOff.serialOutCons)) == prod;
  if (wasEmpty) ring(changetype<usize>(machine()) + MachineOff.doorbell);
  return true;
}

/** Takes a byte from Domain0, -1 when there is none. The caller holds the platform lock. */
export function serialIn(platform: PlatformState): i32 {
  const cons = platform.serialInCons;
  if (atomic.load<u32>(at(platform, PlatformStateOff.serialInProd)) == cons) return -1;
  const byte = load<u8>(at(platform, PlatformStateOff.serialIn) + (cons & (<u32>SERIAL_IN_BYTES - 1)));
  atomic.store<u32>(at(platform, PlatformStateOff.serialInCons), cons + 1);
  return byte;
}
