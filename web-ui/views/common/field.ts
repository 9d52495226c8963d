/** A line of text to fill in, with its label and what there is to know about it. */
import { h, uniqueId } from "./dom.js";

export interface TextField {
  readonly label: string;
  readonly hint?: string;
  readonly value?: string;
  readonly placeholder?: string;
  readonly class?: string;
  /** "secret" is not shown. */
  readonly kind?: "text" | "secret";
}

/** What is typed is not prose: nothing of it is corrected. */
export function buildTextField({ label, hint, value = "", placeholder, class: className, kind }: TextField): {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement;
} {
  const id = uniqueId("field");
  const hintId = hint === undefined ? undefined : uniqueId("hint");
  const input = h("input", {
    id,
    type: kind === "secret" ? "password" : "text",
    class: className,
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    placeholder,
    "aria-describedby": hintId,
    value,
  });
  const about = hint === undefined ? [] : [h("p", { id: hintId, class: "hint" }, hint)];
  return { element: h("div", { class: "field" }, h("label", { for: id }, label), input, ...about), input };
}
