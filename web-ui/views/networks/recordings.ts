/** Recordings of frames as pcapng files, which Wireshark opens. */
import type { CaptureTarget } from "../../../control-plane/api/index.js";
import { formatBytes, formatCount } from "../../state/index.js";
import { type AppContext, h } from "../common/index.js";

/** What a page holds of one recording. */
const MOST_BYTES = 64 << 20;
const REVOKE_AFTER_MS = 60_000;

interface Recording {
  readonly stop: () => Promise<{ readonly frames: number; readonly drops: number }>;
  readonly pieces: Uint8Array[];
  bytes: number;
}

export class Recordings {
  private readonly running = new Map<string, Recording>();

  constructor(
    private readonly context: AppContext,
    private readonly changed: () => void,
  ) {}

  isOn(key: string): boolean {
    return this.running.has(key);
  }

  /** Begins a recording, or ends it and gives it to the person as a file. */
  async toggle(key: string, target: CaptureTarget, fileName: string): Promise<void> {
    try {
      if (this.running.has(key)) await this.end(key, fileName);
      else await this.begin(key, target, fileName);
    } catch (error) {
      this.running.delete(key);
      this.context.fail(error);
    }
    this.changed();
  }

  private async begin(key: string, target: CaptureTarget, fileName: string): Promise<void> {
    const pieces: Uint8Array[] = [];
    let recording: Recording | null = null;
    let isGone = false;
    const stop = await this.context.host.capture(target, (data) => {
      pieces.push(data);
      isGone ||= data.length === 0;
      // Not yet, or not any more: the last pieces come while it ends.
      if (recording === null || this.running.get(key) !== recording) return;
      recording.bytes += data.length;
      if (isGone || recording.bytes > MOST_BYTES) void this.toggle(key, target, fileName);
    });
    recording = { stop, pieces, bytes: pieces.reduce((sum, { length }) => sum + length, 0) };
    this.running.set(key, recording);
    if (isGone) await this.end(key, fileName);
    else this.context.announce(`Recording ${key}`);
  }

  private async end(key: string, fileName: string): Promise<void> {
    const { stop, pieces } = this.running.get(key)!;
    this.running.delete(key);
    const { frames, drops } = await stop();
    const file = new Blob(pieces as Uint8Array<ArrayBuffer>[], { type: "application/vnd.tcpdump.pcap" });
    const url = URL.createObjectURL(file);
    h("a", { href: url, download: fileName }).click();
    setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER_MS);
    this.context.notify({
      tone: "info",
      title: `${formatCount(frames, "frame")} recorded`,
      detail: `${fileName}, ${formatBytes(file.size)}${drops > 0 ? `; ${formatCount(drops, "frame")} came too fast` : ""}.`,
      nextStep: "Wireshark and tcpdump open it.",
    });
  }
}
