/** The hypervisor's own log, as xl dmesg prints it: read while shown, filtered by line, following its end. */
import { type AppContext, h, setText, View } from "../common/index.js";

const READ_EVERY_MS = 1500;
/** Within this of the end, new lines scroll into view. */
const FOLLOW_PX = 40;

export class HypervisorLogView extends View {
  private text = "";
  private timer: ReturnType<typeof setInterval> | null = null;
  private readonly output = h("pre", { class: "log", tabindex: 0, role: "log", "aria-label": "Hypervisor log" });
  private readonly filter = h("input", { type: "search", placeholder: "Filter lines", "aria-label": "Filter lines" });

  constructor(private readonly context: AppContext) {
    super();
  }

  protected build(): void {
    this.filter.addEventListener("input", () => this.render());
    const button = (text: string, run: () => void) =>
      h("button", { type: "button", class: "button small", onclick: run }, text);
    this.append(
      h(
        "div",
        { class: "panel-head" },
        h("h1", { tabindex: -1 }, "Hypervisor log"),
        this.filter,
        button("Copy", () => void this.copy()),
        button("Clear", () => void this.read(true)),
      ),
      this.output,
    );
    this.own(this.context.ui.subscribe(({ view }) => this.setShown(view === "log")));
  }

  private setShown(shown: boolean): void {
    if (!shown) {
      if (this.timer !== null) clearInterval(this.timer);
      this.timer = null;
      return;
    }
    this.timer ??= setInterval(() => void this.read(false), READ_EVERY_MS);
    void this.read(false);
  }

  private async read(clear: boolean): Promise<void> {
    try {
      const text = await this.context.host.dmesg(clear);
      this.text = clear ? "" : text;
      this.render();
    } catch (error) {
      this.setShown(false);
      this.context.fail(error);
    }
  }

  private render(): void {
    const wanted = this.filter.value.toLowerCase();
    const lines = this.text.split("\n").filter((line) => line.toLowerCase().includes(wanted));
    const { output } = this;
    const follow = output.scrollHeight - output.scrollTop - output.clientHeight < FOLLOW_PX;
    setText(output, lines.join("\n").trimEnd() || (this.text === "" ? "The log is empty." : "No line matches."));
    if (follow) output.scrollTop = output.scrollHeight;
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text);
      this.context.announce("Log copied");
    } catch (error) {
      this.context.fail(error);
    }
  }
}
