/** Stand-in for bus: no platform devices. What vCPU 0 says of its deadline while it asks for theirs is noted in its R13. */
import { Domain } from "../gen/layout";
import { domainVcpu } from "../mem/domains";
import { NEVER } from "../util/host";

const R13: usize = 104;

export function platformDeadline(dom: Domain): u64 {
  const keeper = domainVcpu(dom, 0);
  store<u64>(changetype<usize>(keeper) + R13, keeper.wakeTime);
  return NEVER;
}
export function platformFire(dom: Domain): void {}
export function platformReset(dom: Domain): void {}
export function platformSerialNotify(dom: Domain): void {}
