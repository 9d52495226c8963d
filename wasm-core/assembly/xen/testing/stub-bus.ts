/** Stand-in for bus: no platform devices. */
import { Domain } from "../gen/layout";
import { NEVER } from "../util/host";

export function platformDeadline(dom: Domain): u64 {
  return NEVER;
}
export function platformFire(dom: Domain): void {}
export function platformReset(dom: Domain): void {}
export function platformSerialNotify(dom: Domain): void {}
