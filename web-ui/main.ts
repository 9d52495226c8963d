/**
 * Start-up only: look at the browser, connect to Domain0, show the application. Whatever stops that is shown in words.
 */
import { connectHost, probeBrowser } from "./link/index.js";
import {
  canRun,
  explain,
  judge,
  parsePageParameters,
  pcpusFor,
  rememberedSettings,
  type Settings,
  Store,
} from "./state/index.js";
import { AppView, buildRequirementsScreen, defineElements } from "./views/index.js";

/** The theme in force, and the page's attribute that the style sheets follow. */
function followTheme(settings: Store<Settings>): Store<boolean> {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = new Store(false);
  const update = (): void => {
    const { theme } = settings.get();
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    dark.set(theme === "dark" || (theme === "system" && system.matches));
  };
  system.addEventListener("change", update);
  settings.subscribe(update);
  return dark;
}

function showFailure(root: HTMLElement, error: unknown): void {
  const { title, detail, nextStep } = explain(error);
  const lines = [title, detail, nextStep].map((text, index) => {
    const element = document.createElement(index === 0 ? "h1" : "p");
    element.textContent = text;
    return element;
  });
  const main = document.createElement("main");
  main.className = "requirements";
  main.append(...lines);
  root.replaceChildren(main);
}

async function start(root: HTMLElement): Promise<void> {
  const query = new URLSearchParams(window.location.search);
  const settings = rememberedSettings(() => window.localStorage);
  const dark = followTheme(settings);
  const verdict = judge(await probeBrowser(query.get("lack")?.split(",")));
  if (!canRun(verdict)) {
    root.replaceChildren(buildRequirementsScreen(verdict));
    return;
  }
  defineElements();
  const parameters = parsePageParameters(window.location.search, document.baseURI);
  const { isolation, images } = verdict;
  const { relayUrl } = parameters;
  const host = await connectHost({
    fake: query.get("fake") === "1",
    pcpus: pcpusFor(navigator.hardwareConcurrency),
    singleThread: isolation !== "ok",
    relayUrl,
  });
  root.replaceChildren(new AppView({ host, settings, dark, parameters, isolation, images }));
}

const root = document.getElementById("app")!;
start(root).catch((error: unknown) => showFailure(root, error));
