/** The image that is chosen in the tree: its facts, who uses it, and what can be done to it. */
import type { ImageInfo, ImageNode } from "../../../control-plane/api/index.js";
import type { ImageUse } from "../../state/index.js";
import { h, uniqueId } from "../common/index.js";
import type { ImageAction } from "./image-actions.js";
import { factsOf } from "./image-text.js";

export class ImageDetails {
  private readonly headingId = uniqueId("image");
  readonly element = h("section", { class: "image-details", "aria-labelledby": this.headingId, hidden: true });

  show(node: ImageNode, info: ImageInfo | null, uses: readonly ImageUse[], actions: readonly ImageAction[]): void {
    const focused = this.focusedLabel();
    const buttons = actions.map(({ label, tone, run }) =>
      h("button", { type: "button", class: `button small ${tone ?? ""}`, onclick: () => void run() }, label),
    );
    const facts = info === null ? [] : factsOf(info);
    this.element.hidden = false;
    this.element.replaceChildren(
      h("h2", { id: this.headingId }, node.name),
      ...(node.problem === null ? [] : [h("p", { class: "form-problem" }, node.problem)]),
      h("div", { class: "image-actions", role: "group", "aria-label": `Actions for ${node.name}` }, ...buttons),
      ...uses.map(({ domain, vdev, writes }) =>
        h("p", { class: "hint" }, `${domain} ${writes ? "writes to it" : "reads it"} as ${vdev}.`),
      ),
      ...(info?.parent?.name === null
        ? [
            h(
              "p",
              { class: "form-problem" },
              `It stands on ${info.parent.told}, which is not here: import that as well.`,
            ),
          ]
        : []),
      ...(uses.some(({ writes }) => writes)
        ? [h("p", { class: "hint" }, "To export what it holds now, take a snapshot and export that.")]
        : []),
      h("dl", { class: "figures" }, ...facts.map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text)))),
    );
    buttons.find((button) => button.textContent === focused)?.focus();
  }

  hide(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  focusActions(): void {
    this.element.querySelector("button")?.focus();
  }

  private focusedLabel(): string | null {
    return this.element.contains(document.activeElement) ? (document.activeElement?.textContent ?? null) : null;
  }
}
