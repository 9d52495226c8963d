/** The domain's platform devices as one: reset, and the timers and input that drive them from outside. */
import { Domain, EventBit, PlatformFlag, PlatformState_SIZE, Vcpu } from "../gen/layout";
import { uartDeadline, uartReset, uartSync } from "../dev/uart";
import { ioapicReset } from "../irq/ioapic";
import { pitDeadline, pitReset, pitSync } from "../irq/pit";
import { vcpuKick } from "../irq/kick";
import { hasDevice, lockPlatform, platformOf, unlockPlatform } from "../irq/platform";
import { domainVcpu } from "../mem/domains";
import { NEVER } from "../util/host";

/** Power-up state of every device in a fresh PlatformState. */
export function platformReset(dom: Domain): void {
  memory.fill(changetype<usize>(platformOf(dom)), 0, PlatformState_SIZE);
  ioapicReset(dom);
  pitReset(dom);
  uartReset(dom);
}

/** Machine time at which platformFire has something to do, all ones when never. */
export function platformDeadline(dom: Domain): u64 {
  if ((dom.platform & (PlatformFlag.PIT | PlatformFlag.SERIAL)) == 0 || dom.platformState == 0) return NEVER;
  let deadline = NEVER;
  lockPlatform(dom);
  if (hasDevice(dom, PlatformFlag.PIT)) deadline = pitDeadline(dom);
  if (hasDevice(dom, PlatformFlag.SERIAL)) deadline = min(deadline, uartDeadline(dom));
  unlockPlatform(dom);
  return deadline;
}

/** Brings the timers and the UART up to machine time and raises the interrupts that are due. */
export function platformFire(dom: Domain): void {
  if (dom.platformState == 0) return;
  lockPlatform(dom);
  if (hasDevice(dom, PlatformFlag.PIT)) pitSync(dom);
  if (hasDevice(dom, PlatformFlag.SERIAL)) uartSync(dom);
  unlockPlatform(dom);
}

/**
 * After a device was written: the platform's timers run on vCPU 0, so when one became earlier than what vCPU 0 knows
 * of, its slice ends (it is `cpu` itself) or it is made to look.
 */
export function platformRearm(dom: Domain, cpu: Vcpu): void {
  const deadline = platformDeadline(dom);
  const keeper = domainVcpu(dom, 0);
  if (changetype<usize>(keeper) == 0 || deadline >= keeper.wakeTime) return;
  if (keeper == cpu) {
    keeper.wakeTime = deadline;
    keeper.budget = 0;
  } else {
    vcpuKick(keeper, EventBit.INTERRUPT);
  }
}

/** Domain0 has put bytes into the serial input ring, or taken some out of the output ring. */
export function platformSerialNotify(dom: Domain): void {
  if (!hasDevice(dom, PlatformFlag.SERIAL)) return;
  lockPlatform(dom);
  uartSync(dom);
  unlockPlatform(dom);
  platformRearm(dom, changetype<Vcpu>(0));
}
