/** Messages that wait to be read: what happened and the next step. Errors interrupt a screen reader, news do not. */
import { h, icon, type Notice, View } from "../common/index.js";

const SHOWN_MAX = 4;

export class NoticesView extends View {
  private readonly said = h("p", { class: "visually-hidden", role: "status" });
  private readonly list = h("div", { class: "notice-list" });

  protected build(): void {
    this.append(this.said, this.list);
  }

  /** Read out by screen readers only. */
  announce(text: string): void {
    // The same text twice would be silent the second time.
    this.said.textContent = this.said.textContent === text ? `${text}\u00a0` : text;
  }

  show(notice: Notice): void {
    const close = h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss" }, icon("close"));
    const element = h(
      "div",
      { class: "notice", "data-tone": notice.tone, role: notice.tone === "error" ? "alert" : "status" },
      h(
        "div",
        {},
        h("p", { class: "notice-title" }, notice.title),
        h("p", {}, notice.detail),
        ...(notice.nextStep ? [h("p", { class: "notice-next" }, notice.nextStep)] : []),
      ),
      close,
    );
    close.addEventListener("click", () => element.remove());
    this.list.append(element);
    while (this.list.childElementCount > SHOWN_MAX) this.list.firstElementChild?.remove();
  }
}
