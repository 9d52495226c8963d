/** Search in a console: Enter next, Shift+Enter previous, Escape back to the terminal. */
import type { SearchResults, TerminalSession } from "../../terminal/index.js";
import { h, icon, setText } from "../common/index.js";

export class SearchBar {
  readonly element: HTMLElement;
  private readonly input = h("input", { type: "search", "aria-label": "Search in the console", spellcheck: "false" });
  private readonly count = h("span", { class: "search-count", role: "status" });

  constructor(private readonly session: () => TerminalSession) {
    const step = (direction: "next" | "previous") => () => this.session().find(this.input.value, direction);
    const button = (name: "up" | "down" | "close", label: string, run: () => void) =>
      h(
        "button",
        { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: run },
        icon(name),
      );
    this.element = h(
      "div",
      { class: "search-bar", role: "search", "aria-label": "Console", hidden: true },
      this.input,
      this.count,
      button("up", "Previous match", step("previous")),
      button("down", "Next match", step("next")),
      button("close", "Close search", () => this.close()),
    );
    this.input.addEventListener("input", () => this.session().find(this.input.value, "next", true));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      if (event.key === "Enter" && event.target === this.input) {
        event.preventDefault();
        step(event.shiftKey ? "previous" : "next")();
      }
    });
  }

  open(): void {
    this.element.hidden = false;
    this.input.select();
    this.input.focus();
    if (this.input.value !== "") this.session().find(this.input.value, "next", true);
  }

  close(): void {
    this.element.hidden = true;
    this.session().endSearch();
    this.session().focus();
  }

  showResults({ index, count }: SearchResults): void {
    const text = count === 0 ? "No match" : index < 0 ? `${count} matches` : `${index + 1} of ${count}`;
    setText(this.count, this.input.value === "" ? "" : text);
  }
}
