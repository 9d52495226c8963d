/** Instead of a blank page: what this browser or this server lacks, why it is needed, and what to do. */
import { type Requirement, SUPPORTED_BROWSERS, type Verdict } from "../../state/index.js";
import { h } from "../common/index.js";

const HEADERS = "Cross-Origin-Opener-Policy: same-origin\nCross-Origin-Embedder-Policy: require-corp";

export function buildRequirementsScreen(verdict: Verdict): HTMLElement {
  const main = h("main", { class: "requirements", id: "main" });
  main.append(h("h1", {}, "Xenolith cannot start here"));
  if (verdict.missing.length > 0) main.append(...buildMissing(verdict.missing));
  if (verdict.isolation !== "ok") main.append(...buildIsolation(verdict.isolation));
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

function buildIsolation(reason: Exclude<Verdict["isolation"], "ok">): HTMLElement[] {
  const why =
    "The machine’s memory is shared between workers, and browsers allow that only to a page that is cross-origin isolated.";
  if (reason === "insecure") {
    return [
      h("h2", {}, "This address is not secure"),
      h("p", {}, `${why} That needs HTTPS, or localhost.`),
      h("p", {}, "Open the page over https://, or on the computer that serves it as http://localhost."),
    ];
  }
  const serve = h(
    "p",
    {},
    "The project’s own server sends them: ",
    h("code", {}, "npm start"),
    ". Elsewhere, have the web server add:",
  );
  const headers = h("pre", { class: "code", tabindex: 0 }, HEADERS);
  if (reason === "headers") {
    return [h("h2", {}, "The server did not send two headers"), h("p", {}, why), serve, headers];
  }
  return [
    h("h2", {}, "The page around this one must allow it"),
    h("p", {}, `${why} Inside another page, that page must be isolated too and allow it to this frame:`),
    h("pre", { class: "code", tabindex: 0 }, '<iframe src="…" allow="cross-origin-isolated"></iframe>'),
    h("p", {}, "Both pages need these headers:"),
    headers,
    h(
      "p",
      {},
      "In Chrome and Edge from version 137, this header on the framed page alone is enough: ",
      h("code", {}, "Document-Isolation-Policy: isolate-and-require-corp"),
    ),
    h("p", {}, h("a", { href: window.location.href, target: "_blank", rel: "noopener" }, "Open it in its own tab")),
  ];
}
