/**
 * `--exec`: a command for the default guest, and its exit status out of what the guest prints. /init of the default guest
 * runs what `xl.run=` holds (base64) and reports at the end (guest/rootfs).
 */
import { EXEC_STATUS_PREFIX } from "../../../guest/index.js";
import type { DomainPlan } from "../../config/index.js";
import { usageError } from "../../errors.js";

/** [LINUX] x86's COMMAND_LINE_SIZE, less the NUL. */
const CMDLINE_MAX = 2047;

/** `plan` with a command to run instead of a shell, and a kernel that keeps quiet about itself. */
export function withCommand(plan: DomainPlan, command: string): DomainPlan {
  // earlyprintk prints whatever the log level.
  const before = (plan.settings.cmdline ?? "").replace(/(^|\s)earlyprintk=\S+/g, "");
  const cmdline = `${before} loglevel=0 xl.run=${Buffer.from(`${command}\n`).toString("base64")}`.trim();
  if (cmdline.length > CMDLINE_MAX) {
    const most = Math.floor(((CMDLINE_MAX - (cmdline.length - command.length * (4 / 3))) * 3) / 4);
    throw usageError(`--exec: the command is too long for a kernel's command line: at most about ${most} bytes`);
  }
  return { ...plan, settings: { ...plan.settings, cmdline } };
}

const REPORT = new RegExp(`${EXEC_STATUS_PREFIX}(\\d{1,3})\r?\n`, "g");
const REPORT_START = new RegExp(`${EXEC_STATUS_PREFIX}\\d{0,3}\r?$`);

/** Takes the report out of a guest's output. */
export class ExecOutput {
  /** The command's exit status, once reported. */
  status: number | null = null;
  #held = "";

  /** `plainNewlines`: a terminal's line ends become a file's. */
  constructor(private readonly plainNewlines: boolean) {}

  /** What of the output is the command's. What may be the beginning of the report waits for more. */
  push(data: Uint8Array): Uint8Array {
    let text = this.#held + Buffer.from(data).toString("latin1");
    text = text.replace(REPORT, (_, status: string) => {
      this.status = Number(status);
      return "";
    });
    const keep = text.length - reportStartLength(text);
    this.#held = text.slice(keep);
    return this.#encode(text.slice(0, keep));
  }

  /** What was still held at the end of the output. */
  end(): Uint8Array {
    const rest = this.#held;
    this.#held = "";
    return this.#encode(rest);
  }

  #encode(text: string): Uint8Array {
    return Buffer.from(this.plainNewlines ? text.replaceAll("\r\n", "\n") : text, "latin1");
  }
}

/** How many characters at the end may be a report's beginning, or a line end's. */
function reportStartLength(text: string): number {
  const found = REPORT_START.exec(text);
  if (found) return found[0].length;
  for (let length = Math.min(text.length, EXEC_STATUS_PREFIX.length); length > 0; length--) {
    if (EXEC_STATUS_PREFIX.startsWith(text.slice(-length))) return length;
  }
  return text.endsWith("\r") ? 1 : 0;
}
