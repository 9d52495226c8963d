/** A question with a few answers to fill in, in the browser's own modal dialog. */
import { h, setText, uniqueId } from "./dom.js";
import { buildTextField } from "./field.js";

export interface Choice {
  readonly value: string;
  readonly label: string;
}

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly value?: string;
  /** With choices a list to pick from, "switch" a box to tick, "secret" text that is not shown, else a line of text. */
  readonly kind?: "text" | "secret" | "switch";
  readonly choices?: readonly Choice[];
}

/** What was filled in, by the names of the fields; a ticked box is "on", another "". */
export type Answers = Readonly<Record<string, string>>;

export interface Form {
  readonly title: string;
  readonly detail?: string;
  readonly fields: readonly Field[];
  /** The action's own verb, on the button that does it. */
  readonly action: string;
  /** What is wrong with the answers, for the person who gave them; null when nothing is. */
  check?(answers: Answers): string | null;
}

interface Control {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement | HTMLSelectElement;
  read(): string;
}

/** Resolves with the answers, or with null when the person thought better of it. */
export function askForm(form: Form): Promise<Answers | null> {
  return new Promise((resolve) => {
    const titleId = uniqueId("form");
    const dialog = h("dialog", { class: "question", "aria-labelledby": titleId });
    const controls = form.fields.map((field) => ({ name: field.name, control: buildControl(field) }));
    const problem = h("p", { class: "form-problem", role: "alert" });
    const close = (answers: Answers | null): void => {
      resolve(answers);
      dialog.close();
      dialog.remove();
    };
    const body = h(
      "form",
      { class: "form" },
      h("h2", { id: titleId }, form.title),
      ...(form.detail === undefined ? [] : [h("p", {}, form.detail)]),
      ...controls.map(({ control }) => control.element),
      problem,
      h(
        "div",
        { class: "question-actions" },
        h("button", { type: "button", class: "button", onclick: () => close(null) }, "Cancel"),
        h("button", { type: "submit", class: "button strong" }, form.action),
      ),
    );
    body.addEventListener("submit", (event) => {
      event.preventDefault();
      const answers = Object.fromEntries(controls.map(({ name, control }) => [name, control.read()]));
      const wrong = form.check?.(answers) ?? null;
      setText(problem, wrong ?? "");
      if (wrong === null) close(answers);
    });
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(null);
    });
    dialog.append(body);
    document.body.append(dialog);
    dialog.showModal();
    controls[0]?.control.input.focus();
  });
}

function buildControl(field: Field): Control {
  const { kind, choices, ...text } = field;
  if (kind !== "switch" && choices === undefined) {
    const { element, input } = buildTextField({ ...text, ...(kind === undefined ? {} : { kind }) });
    return { element, input, read: () => input.value.trim() };
  }
  const id = uniqueId("field");
  const hintId = uniqueId("hint");
  const described = field.hint === undefined ? {} : { "aria-describedby": hintId };
  const hint = field.hint === undefined ? [] : [h("p", { id: hintId, class: "hint" }, field.hint)];
  if (field.choices === undefined) {
    const box = h("input", { id, type: "checkbox", checked: field.value === "on", ...described });
    const line = h("label", { class: "switch" }, box, h("span", {}, field.label));
    return { element: h("div", { class: "field" }, line, ...hint), input: box, read: () => (box.checked ? "on" : "") };
  }
  const input = list(id, field.choices, field, described);
  const element = h("div", { class: "field" }, h("label", { for: id }, field.label), input, ...hint);
  return { element, input, read: () => input.value.trim() };
}

function list(id: string, choices: readonly Choice[], { value }: Field, described: object): HTMLSelectElement {
  const options = choices.map((choice) =>
    h("option", { value: choice.value, selected: choice.value === value }, choice.label),
  );
  return h("select", { id, ...described }, ...options);
}
