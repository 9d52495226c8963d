/** The ACPI power management timer: 32 bits at 3.579545 MHz. ACPI 6.4, 4.8.3.3. */
import { machineTime } from "../../util/host";

const PM_TIMER_HZ: u64 = 3579545;
const NS_PER_SECOND: u64 = 1_000_000_000;

export function pmTimerRead(): u32 {
  const now = machineTime();
  return <u32>((now / NS_PER_SECOND) * PM_TIMER_HZ + ((now % NS_PER_SECOND) * PM_TIMER_HZ) / NS_PER_SECOND);
}
