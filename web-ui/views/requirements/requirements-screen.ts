/** Instead of a blank page: what this browser lacks, why it is needed, and which versions have it. */
import { type Requirement, SUPPORTED_BROWSERS, type Verdict } from "../../state/index.js";
import { h } from "../common/index.js";

export function buildRequirementsScreen(verdict: Verdict): HTMLElement {
  const main = h("main", { class: "requirements", id: "main" });
  main.append(h("h1", {}, "Xenolith cannot start here"));
  main.append(...buildMissing(verdict.missing));
  return main;
}

function buildMissing(missing: readonly Requirement[]): HTMLElement[] {
  const rows = missing.map(({ name, why, since }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name, h("span", { class: "why" }, why)),
      h("td", {}, since.chromium),
      h("td", {}, since.firefox),
      h("td", {}, since.safari),
    ),
  );
  const head = ["What is missing", "Chrome, Edge", "Firefox", "Safari"].map((text) => h("th", { scope: "col" }, text));
  return [
    h("p", { class: "lede" }, `This browser lacks something the machine needs. It runs in ${SUPPORTED_BROWSERS}.`),
    h(
      "div",
      { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Missing features" },
      h(
        "table",
        {},
        h("caption", {}, "Missing here, and the first version of each browser that has it"),
        h("thead", {}, h("tr", {}, ...head)),
        h("tbody", {}, ...rows),
      ),
    ),
  ];
}
