/** What a kernel's log may say at the levels from warning up, because it says so on real hardware or on Xen too. */

interface Known {
  readonly text: RegExp;
  readonly why: string;
}

const KNOWN: readonly Known[] = [
  { text: /^ACPI: No IOAPIC entries present$/, why: "a PVH guest of Xen's has no I/O APIC either" },
  {
    text: /^ACPI: setting ELCR to \w+ \(from ffff\)$/,
    why: "without an I/O APIC Linux programs the 8259's trigger register, which no PVH machine has",
  },
  {
    text: /^PCI: Fatal: No config space access function found$/,
    why: "a PVH guest without passed-through devices has no PCI",
  },
  { text: /^PCI: System does not support PCI$/, why: "as above" },
  { text: /^cpu \d+ spinlock event irq \d+$/, why: "printed without a level by Linux's Xen code" },
  { text: /^Grant table initialized$/, why: "printed without a level by Linux's Xen code" },
  { text: /^hrtimer: interrupt took \d+ ns$/, why: "a busy host runs another guest meanwhile, as a busy Xen does" },
  { text: /^ +#\d+$/, why: "the list of processors that come up, printed without a level" },
];

/** Signs of trouble at whatever level. */
const TROUBLE =
  /WARNING:|\bBUG\b|Call Trace|Oops|hung task|blocked for more than|soft lockup|rcu.*stall|unchecked MSR|Stale IRR|Firmware Bug/;

const LINE = /^<(\d+)>\[ *[\d.]+\] ?(.*)$/;
const WARNING = 4;

/** The lines of `dmesg -r` that hardware would not give. */
export function unexpectedMessages(raw: string): string[] {
  return raw.split("\n").filter((line) => {
    const match = LINE.exec(line.trimEnd());
    if (!match) return false;
    const text = match[2]!;
    if (TROUBLE.test(text)) return true;
    return (Number(match[1]) & 7) <= WARNING && !KNOWN.some((known) => known.text.test(text));
  });
}
