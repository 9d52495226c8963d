/** How far a boot is: the stages and the time since the start, above its console until the guest is ready. */
import { BOOT_STAGES, BootWatcher, formatSeconds } from "../../state/index.js";
import { h, setText } from "../common/index.js";

const TICK_MS = 100;
/** How long the finished strip stays, so that the time can be read; and that of a guest whose output is no Linux's. */
const LINGER_MS = 4000;

export class BootStrip {
  readonly element: HTMLElement;
  private watcher = new BootWatcher();
  private startedMs = 0;
  /** When the first output came; 0 before. */
  private outputMs = 0;
  private timer: ReturnType<typeof setInterval> | null = null;
  private readonly time = h("span", { class: "boot-time" });
  private readonly steps = BOOT_STAGES.map((stage) => h("li", {}, stage));

  constructor(private readonly onReady: (ms: number) => void) {
    const list = h("ol", { class: "boot-stages", "aria-label": "Boot progress" }, ...this.steps);
    this.element = h("div", { class: "boot-strip", hidden: true }, list, this.time);
  }

  /** Starts over for a domain that started `ageMs` ago. */
  start(ageMs: number): void {
    this.stop();
    this.watcher = new BootWatcher();
    this.startedMs = performance.now() - ageMs;
    this.outputMs = 0;
    this.element.hidden = false;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.render();
  }

  feed(data: Uint8Array): void {
    if (this.timer === null || !this.watcher.feed(data)) return;
    this.outputMs ||= performance.now();
    this.render();
    if (this.watcher.stage !== "Ready") return;
    const ms = performance.now() - this.startedMs;
    this.stop();
    setText(this.time, formatSeconds(ms));
    setTimeout(() => {
      if (this.timer === null) this.element.hidden = true;
    }, LINGER_MS);
    this.onReady(ms);
  }

  /** The domain is gone, or its boot is none of our business. */
  end(): void {
    this.stop();
    this.element.hidden = true;
  }

  private stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private tick(): void {
    const nowMs = performance.now();
    const isUnknown = this.watcher.hasOutput && this.watcher.stage === "Start";
    if (isUnknown && nowMs - this.outputMs > LINGER_MS) {
      this.end();
      return;
    }
    const waiting = this.watcher.hasOutput ? "" : "waiting for output, ";
    setText(this.time, `${waiting}${formatSeconds(nowMs - this.startedMs)}`);
  }

  private render(): void {
    const at = BOOT_STAGES.indexOf(this.watcher.stage);
    this.steps.forEach((step, index) => {
      step.className = index < at || this.watcher.stage === "Ready" ? "done" : index === at ? "now" : "";
      if (index === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
  }
}
