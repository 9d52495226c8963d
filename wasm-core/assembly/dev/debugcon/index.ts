/** The debug console: bytes written to port 0xe9 join the serial output; the port reads 0xe9, by which it is found. */
import { Domain, PlatformPort } from "../../gen/layout";
import { platformOf } from "../../irq/platform";
import { serialOut, serialOutHasRoom } from "../serial-ring";

export function debugconRead(): u32 {
  return PlatformPort.DEBUGCON;
}

/** The caller holds the platform lock. A byte that finds no room is lost: ask debugconBlocked first. */
export function debugconWrite(dom: Domain, value: u32): void {
  serialOut(platformOf(dom), value);
}

/** True while Domain0 has no room for another byte; there is no status bit a guest could wait for. */
export function debugconBlocked(dom: Domain): bool {
  return !serialOutHasRoom(platformOf(dom));
}
