/** A question before something that cannot be undone, in the browser's own modal dialog. */
import { h, uniqueId } from "./dom.js";

export interface Question {
  readonly title: string;
  readonly detail: string;
  /** The action's own verb, on the button that does it. */
  readonly action: string;
}

/** Resolves true when the person chose the action. */
export function confirmAction(question: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const titleId = uniqueId("question");
    const dialog = h("dialog", { class: "question", "aria-labelledby": titleId });
    const close = (answer: boolean): void => {
      resolve(answer);
      dialog.close();
      dialog.remove();
    };
    dialog.append(
      h("h2", { id: titleId }, question.title),
      h("p", {}, question.detail),
      h(
        "div",
        { class: "question-actions" },
        h("button", { type: "button", class: "button", autofocus: true, onclick: () => close(false) }, "Cancel"),
        h("button", { type: "button", class: "button danger", onclick: () => close(true) }, question.action),
      ),
    );
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(false);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
