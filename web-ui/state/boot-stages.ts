/**
 * Where a boot has got to, read from what the guest prints. The stages are those of a Linux boot; of
 * a guest that prints none of these lines nothing is claimed. Stages never go back.
 */

export const BOOT_STAGES = ["Start", "Kernel", "Devices", "User space", "Ready"] as const;
export type BootStage = (typeof BOOT_STAGES)[number];

interface Sign {
  readonly stage: BootStage;
  readonly pattern: RegExp;
}

// In boot order. Linux 6.1 wording, init/main.c and init/version.c; the prompt is any shell's.
const SIGNS: readonly Sign[] = [
  { stage: "Kernel", pattern: /Linux version \d/ },
  { stage: "Devices", pattern: /smp: Brought up|NET: Registered|Grant table initialized|Serial: 8250/ },
  { stage: "User space", pattern: /Run \S+ as init process|Freeing unused kernel image|busybox|BusyBox/ },
  // Xenolith's own small guest, before its prompt.
  { stage: "Ready", pattern: /Type help for the commands/ },
  { stage: "Ready", pattern: /(?:^|\n|\r)[^\n\r]{0,60}(?:[#$] |login: )(?:\x1b\[[0-9;?]*[a-zA-Z])*$/ },
];

/** Lines longer than this hold no sign; the tail is all that is kept between two chunks of output. */
const TAIL_LENGTH = 400;

export class BootWatcher {
  private tail = "";
  private index = 0;
  private sawOutput = false;
  private readonly decoder = new TextDecoder("utf-8");

  get stage(): BootStage {
    return BOOT_STAGES[this.index]!;
  }

  get hasOutput(): boolean {
    return this.sawOutput;
  }

  /** Takes output of the guest's console; true when the stage or hasOutput changed. */
  feed(data: Uint8Array): boolean {
    if (data.length === 0) return false;
    const before = this.index;
    const first = !this.sawOutput;
    this.sawOutput = true;
    const text = this.tail + this.decoder.decode(data, { stream: true });
    for (const sign of SIGNS) {
      const index = BOOT_STAGES.indexOf(sign.stage);
      if (index > this.index && sign.pattern.test(text)) this.index = index;
    }
    this.tail = text.slice(-TAIL_LENGTH);
    return first || this.index !== before;
  }
}
