/** The bar at the top: the mark, where to go, and the colour theme. In an embedded page, one domain's state instead. */
import { formatCount, formatKiB, nextTheme, type Theme } from "../../state/index.js";
import { type AppContext, h, icon, setText, type ViewName } from "../common/index.js";
import { DomainActions } from "../domains/index.js";
import { buildLogo } from "./logo.js";

const PLACES: readonly (readonly [ViewName, string])[] = [
  ["new", "New domain"],
  ["consoles", "Consoles"],
  ["disks", "Disks"],
  ["networks", "Networks"],
  ["log", "Hypervisor log"],
  ["xenstore", "XenStore"],
];

const THEME_TEXTS: Readonly<Record<Theme, string>> = {
  system: "Colours: as the system",
  light: "Colours: light",
  dark: "Colours: dark",
};

export function buildHeader(context: AppContext): HTMLElement {
  const name = h("p", { class: "brand" }, buildLogo(), h("span", {}, "Xenolith"));
  return h("header", { class: "bar" }, name, buildPlaces(context), buildSummary(context), buildThemeButton(context));
}

function buildPlaces({ ui }: AppContext): HTMLElement {
  const buttons = PLACES.map(([view, text]) => {
    const button = h("button", { type: "button", class: "place", onclick: () => ui.patch({ view }) }, text);
    ui.subscribe((state) => {
      if (state.view === view) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    });
    return button;
  });
  return h("nav", { class: "places", "aria-label": "Views" }, ...buttons);
}

function buildSummary({ monitor }: AppContext): HTMLElement {
  const summary = h("p", { class: "bar-summary" });
  monitor.snapshot.subscribe(({ host }) => {
    if (host)
      setText(summary, `${formatCount(host.pcpus, "pCPU")}, ${formatKiB(host.usedKiB)} of ${formatKiB(host.totalKiB)}`);
  });
  return summary;
}

function buildThemeButton({ settings }: AppContext): HTMLElement {
  const button = h("button", { type: "button", class: "icon-button theme-button" });
  button.addEventListener("click", () => settings.patch({ theme: nextTheme(settings.get().theme) }));
  settings.subscribe(({ theme }) => {
    button.replaceChildren(icon(theme));
    button.setAttribute("aria-label", THEME_TEXTS[theme]);
    button.title = THEME_TEXTS[theme];
  });
  return button;
}

/** The slim bar of an embedded page. */
export function buildEmbedBar(context: AppContext): HTMLElement {
  const actions = new DomainActions(context);
  const state = h("p", { class: "bar-summary" });
  const pause = h("button", { type: "button", class: "button small" });
  const own = h(
    "a",
    { class: "button small quiet", target: "_blank", rel: "noopener", href: ownTabUrl() },
    "Open in a tab",
  );
  const current = () => {
    const { selected } = context.ui.get();
    const { rows } = context.monitor.snapshot.get();
    return rows.find(({ info }) => info.domid === selected)?.info;
  };
  pause.addEventListener("click", () => {
    const info = current();
    if (info) void actions.togglePause(info);
  });
  context.monitor.snapshot.subscribe(({ host }) => {
    const info = current();
    const thread = host?.singleThread ? ", one thread: this page is not isolated" : "";
    setText(state, info ? `${info.name}, ${info.state === "blocked" ? "idle" : info.state}${thread}` : "");
    pause.hidden = !info;
    setText(pause, info?.state === "paused" ? "Resume" : "Pause");
  });
  return h("header", { class: "bar slim" }, buildLogo(), state, h("div", { class: "spacer" }), pause, own);
}

/** This page's address without the embedding. */
function ownTabUrl(): string {
  const url = new URL(window.location.href);
  url.searchParams.delete("embed");
  return url.href;
}
