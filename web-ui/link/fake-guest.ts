/**
 * A simulated guest for the page's own tests: prints a boot log, then answers a handful of shell commands. It knows
 * nothing of processors; its owner (fake-host.ts) decides when it may run.
 */

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const SCROLLBACK_BYTES = 64 * 1024;
const PROMPT = "~ # ";

export type GuestExit = "poweroff" | "reboot" | "crash";

export interface GuestShape {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly cmdline: string;
}

/** Console output with its scrollback, to any number of listeners. */
export class FakeConsole {
  private scrollback = new Uint8Array(0);
  private readonly listeners = new Set<(data: Uint8Array) => void>();

  print(text: string): void {
    const data = ENCODER.encode(text);
    const whole = new Uint8Array(this.scrollback.length + data.length);
    whole.set(this.scrollback);
    whole.set(data, this.scrollback.length);
    this.scrollback = whole.slice(-SCROLLBACK_BYTES);
    for (const listener of this.listeners) listener(data);
  }

  read(): Uint8Array {
    return this.scrollback.slice();
  }

  attach(listener: (data: Uint8Array) => void): () => void {
    if (this.scrollback.length > 0) listener(this.read());
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export class FakeGuest {
  readonly pv = new FakeConsole();
  readonly serial = new FakeConsole();
  private readonly pending: string[];
  private line = "";
  private columns = 80;
  private rows = 24;
  private booted = false;

  constructor(
    private readonly shape: GuestShape,
    private readonly exit: (how: GuestExit) => void,
  ) {
    this.pending = bootLog(shape);
    this.serial.print("PVH entry, command line taken from start_info\r\n");
  }

  get busy(): boolean {
    return !this.booted;
  }

  /** Runs for one step: a few lines of the boot log. */
  step(lines: number): void {
    if (this.booted) return;
    for (const line of this.pending.splice(0, lines)) this.pv.print(`${line}\r\n`);
    if (this.pending.length > 0) return;
    this.booted = true;
    this.pv.print(`\r\n${PROMPT}`);
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
  }

  type(data: Uint8Array): void {
    if (!this.booted) return;
    for (const character of DECODER.decode(data)) this.key(character);
  }

  private key(character: string): void {
    if (character === "\r" || character === "\n") {
      this.pv.print("\r\n");
      const command = this.line.trim();
      this.line = "";
      const output = this.run(command);
      if (output === null) return;
      this.pv.print(`${output}${PROMPT}`);
    } else if (character === "\x7f") {
      if (this.line.length > 0) this.pv.print("\b \b");
      this.line = this.line.slice(0, -1);
    } else if (character >= " ") {
      this.line += character;
      this.pv.print(character);
    }
  }

  /** Output of a command, or null when the guest has stopped. */
  private run(command: string): string | null {
    const [name = "", ...words] = command.split(/\s+/);
    const say = (text: string) => `${text.replaceAll("\n", "\r\n")}\r\n`;
    if (name === "") return "";
    if (name === "echo") return say(words.join(" "));
    if (name === "uname") return say("Linux debian 6.1.0-51-cloud-amd64 #1 SMP Debian x86_64 GNU/Linux");
    if (name === "nproc") return say(String(this.shape.vcpus));
    if (name === "stty") return say(`${this.rows} ${this.columns}`);
    if (name === "cat" && words[0] === "/proc/cmdline") return say(this.shape.cmdline);
    if (name === "free") return say(`Mem: ${this.shape.memoryMiB * 1024} KiB`);
    if (name === "poweroff") return this.stop("reboot: Power down", "poweroff");
    if (name === "reboot") return this.stop("reboot: Restarting system", "reboot");
    if (name === "panic") return this.stop("Kernel panic - not syncing: sysrq triggered crash", "crash");
    return say(`sh: ${name}: not found`);
  }

  private stop(message: string, how: GuestExit): null {
    this.pv.print(`[   12.345678] ${message}\r\n`);
    this.exit(how);
    return null;
  }
}

function bootLog(shape: GuestShape): string[] {
  const events: [number, string][] = [
    [0, "Linux version 6.1.0-51-cloud-amd64 (simulated by the page's tests)"],
    [0, `Command line: ${shape.cmdline}`],
    [0, "BIOS-provided physical RAM map:"],
    [
      0,
      `BIOS-e820: [mem 0x0000000000000000-0x${(shape.memoryMiB * 0x100000 - 1).toString(16).padStart(16, "0")}] usable`,
    ],
    [0, "NX (Execute Disable) protection: active"],
    [0, "Hypervisor detected: Xen HVM"],
    [0, "Xen version 4.0."],
    [0.01, "tsc: Detected 1000.000 MHz processor"],
    [0.05, `smpboot: Allowing ${shape.vcpus} CPUs, 0 hotplug CPUs`],
    [0.12, "Xen: using vcpuop timer interface"],
    [0.2, `smp: Brought up 1 node, ${shape.vcpus} CPU${shape.vcpus > 1 ? "s" : ""}`],
    [0.31, "NET: Registered PF_NETLINK/PF_ROUTE protocol family"],
    [0.4, "xen:grant_table: Grant tables using version 1 layout"],
    [0.42, "Grant table initialized"],
    [0.6, "xenbus_probe_frontend: Device with no driver: device/vbd/51712"],
    [0.72, "Freeing unused kernel image (initmem) memory: 2796K"],
    [0.8, "Run /init as init process"],
  ];
  const lines = events.map(([seconds, text]) => `[${seconds.toFixed(6).padStart(12)}] ${text}`);
  return [...lines, "", "BusyBox v1.35.0 (Debian) built-in shell (ash)", "See https://www.debian.org/ for the system."];
}
