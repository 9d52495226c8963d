/** A launch on its way: what is being done, bytes done and in all as they really are, a way to stop it. */
import { formatBytes, type LaunchProgress } from "../../state/index.js";
import { h, setText } from "../common/index.js";

export class LaunchProgressBar {
  readonly element: HTMLElement;
  private readonly text = h("span", { class: "launch-text" });
  private readonly figures = h("span", { class: "launch-figures" });
  private readonly bar = h("progress", { "aria-label": "Progress", max: 1 });
  private readonly stop: HTMLButtonElement;

  constructor(cancel: () => void) {
    this.stop = h("button", { type: "button", class: "button quiet", onclick: cancel }, "Cancel");
    this.element = h(
      "div",
      { class: "launch" },
      h("div", { class: "launch-line" }, this.text, this.figures),
      this.bar,
      this.stop,
    );
  }

  show(progress: LaunchProgress): void {
    setText(this.text, progress.text);
    setText(this.figures, describeBytes(progress));
    if (progress.totalBytes === null) this.bar.removeAttribute("value");
    else this.bar.value = Math.min(1, progress.doneBytes / Math.max(1, progress.totalBytes));
    this.stop.hidden = progress.phase === "building" || progress.phase === "running";
  }
}

export function describeBytes({ doneBytes, totalBytes }: LaunchProgress): string {
  if (totalBytes !== null) return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  return doneBytes > 0 ? formatBytes(doneBytes) : "";
}
