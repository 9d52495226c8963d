/**
 * A booted Debian guest as tests talk to it: what its console shows, and commands typed at its shell, each with its
 * output and exit status. Guests run under an interpreter on a machine that may be busy, so limits are generous.
 */
import { readFileSync } from "node:fs";
import type { ConsoleKind, DomainConfig, DomId, HostApi } from "../../control-plane/api/index.js";
import { type GuestFlavour, prepareGuest } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";

/** The longest that a boot may take on a busy machine. */
export const BOOT_MS = 240_000;
/** Sooner than that, so that the failure says what the console showed. */
const SHELL_MS = BOOT_MS - 40_000;
const COMMAND_MS = 120_000;
const PROMPT = "xenolith:/# ";
/**
 * What the shell prints after each command; it cannot be in the echo of what was typed, as echo is off. The terminal writes
 * the end of the line apart from it, and a message of the kernel's may come between.
 */
const STATUS = /<status (\d+)>/;
const LINE_END = "\r\n";
/**
 * Reads commands without a line editor, so that its escape sequences are not in the output, and keeps the kernel's messages
 * in its log: on a busy host they may come at any time, and tests read them there. Whoever types sooner than it tells a
 * status sees it: between the editor and stty the terminal echoes.
 */
const READ_LOOP =
  'dmesg -n 1; stty -echo; echo "<status $((0))>"; while read -r line; do eval "$line"; echo "<status $?>"; done\n';
const LINE_LIMIT = 4000;

export interface DebianOptions extends Partial<DomainConfig> {
  readonly flavour?: GuestFlavour;
  /** Appended to the guest's command line. */
  readonly extra?: string;
  readonly consoleKind?: ConsoleKind;
  /** Of the guest's shell, when it is not the default guest's. */
  readonly prompt?: string;
}

export interface Ran {
  readonly output: string;
  readonly status: number;
}

/** The default guest's files as a configuration; fetched when the cache has none. */
export async function debianConfig(options: DebianOptions = {}): Promise<DomainConfig> {
  const { flavour = "cloud", extra = "", consoleKind: _, prompt: __, ...config } = options;
  const image = unwrap(await prepareGuest({ flavour }));
  return {
    name: flavour,
    kernel: new Uint8Array(readFileSync(image.kernel)),
    ramdisk: new Uint8Array(readFileSync(image.initramfs)),
    cmdline: `${image.cmdline} ${extra}`.trimEnd(),
    memoryMiB: 256,
    vcpus: 1,
    ...config,
  };
}

/** Everything that a console shows, and typing at it. */
export class Console {
  text = "";
  readonly #waiting = new Set<() => void>();
  #follow: (text: string) => void = () => {};
  readonly #decoder = new TextDecoder();
  #type: (text: string) => void = () => {};

  static async of(host: HostApi, domid: DomId, kind: ConsoleKind = "pv"): Promise<Console> {
    const console = new Console();
    const session = await host.attachConsole(domid, kind, (data) => {
      const text = console.#decoder.decode(data, { stream: true });
      console.text += text;
      console.#follow(text);
      for (const check of [...console.#waiting]) check();
    });
    console.#type = (text) => session.write(new TextEncoder().encode(text));
    return console;
  }

  /** Tells what it shows from now on, as it comes. */
  follow(follow: (text: string) => void): void {
    this.#follow = follow;
  }

  type(text: string): void {
    this.#type(text);
  }

  /** Resolves when `wanted` stands behind position `from`; returns where it ends. */
  until(wanted: string | RegExp, from = 0, ms = COMMAND_MS): Promise<number> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const end = this.#find(wanted, from);
        if (end < 0) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(end);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`no ${wanted} on the console in ${ms / 1000} s; it ends with:\n${this.text.slice(-2000)}`));
      }, ms);
      this.#waiting.add(check);
      check();
    });
  }

  #find(wanted: string | RegExp, from: number): number {
    if (typeof wanted === "string") {
      const at = this.text.indexOf(wanted, from);
      return at < 0 ? -1 : at + wanted.length;
    }
    const match = wanted.exec(this.text.slice(from));
    return match ? from + match.index + match[0].length : -1;
  }
}

/** A guest at its shell. */
export class Debian {
  /** Where the last status ended, before the end of its line. */
  #shown = 0;

  private constructor(
    readonly host: HostApi,
    readonly domid: DomId,
    readonly console: Console,
  ) {}

  static async boot(host: HostApi, options: DebianOptions = {}): Promise<Debian> {
    const domid = await host.create(await debianConfig(options));
    const console = await Console.of(host, domid, options.consoleKind);
    return Debian.atShell(host, domid, console, 0, options.prompt);
  }

  /** Waits for the shell's next prompt after position `from`, and makes the shell read plain lines. */
  static async atShell(host: HostApi, domid: DomId, console: Console, from = 0, prompt = PROMPT): Promise<Debian> {
    await console.until(prompt, from, SHELL_MS);
    const debian = new Debian(host, domid, console);
    const typed = console.text.length;
    console.type(READ_LOOP);
    debian.#shown = await console.until(STATUS, typed);
    return debian;
  }

  /** Reboots: the domain that is this guest from then on, on the same console, at its shell. */
  async reboot(): Promise<Debian> {
    const { host, domid, console } = this;
    const reborn = new Promise<DomId>((resolve) => {
      void host.subscribe((event) => {
        if (event.kind === "domain-created" && event.restartOf === domid) resolve(event.domid);
      });
    });
    const from = console.text.length;
    console.type("reboot -f\n");
    return Debian.atShell(host, await reborn, console, from);
  }

  /** Types a command; its output (both streams) and exit status. */
  async run(command: string, ms = COMMAND_MS): Promise<Ran> {
    if (command.includes("\n") || command.length > LINE_LIMIT) throw new Error("a command is one line of a terminal");
    const from = this.console.text.length;
    this.console.type(`${command}\n`);
    const end = await this.console.until(STATUS, from, ms);
    const shown = this.console.text.slice(from, end);
    const match = STATUS.exec(shown)!;
    const isLate = !this.console.text.slice(this.#shown, from).includes(LINE_END);
    const begin = isLate && shown.startsWith(LINE_END) ? LINE_END.length : 0;
    this.#shown = end;
    return { output: shown.slice(begin, match.index).replaceAll(LINE_END, "\n"), status: Number(match[1]) };
  }

  /** The output of a command that must succeed, trimmed. */
  async output(command: string, ms = COMMAND_MS): Promise<string> {
    const { output, status } = await this.run(command, ms);
    if (status !== 0) throw new Error(`"${command}" ended with ${status}:\n${output}`);
    return output.trim();
  }
}
