/**
 * One domain's consoles: PV and serial, each its own terminal, kept while the panel is hidden so that scrollback and
 * selection stay. A reboot gives the domain a new number; the panel then moves on to it (rebind) on the same screen.
 */
import type { ConsoleKind, DomId } from "../../../control-plane/api/index.js";
import { clampFontSize, formatSeconds } from "../../state/index.js";
import { CHORD_NAMES, TerminalSession } from "../../terminal/index.js";
import { type AppContext, h, icon, setText, uniqueId } from "../common/index.js";
import { BootStrip } from "./boot-strip.js";
import { GuestDisks } from "./guest-disks.js";
import { SearchBar } from "./search-bar.js";

const KINDS: readonly ConsoleKind[] = ["pv", "serial"];
const KIND_NAMES: Readonly<Record<ConsoleKind, string>> = { pv: "PV", serial: "Serial" };
const KIND_DEVICES: Readonly<Record<ConsoleKind, string>> = { pv: "hvc0", serial: "COM1" };

interface Screen {
  readonly kind: ConsoleKind;
  readonly element: HTMLElement;
  readonly session: TerminalSession;
  readonly tab: HTMLButtonElement;
}

export class ConsolePanel {
  readonly element: HTMLElement;
  readonly id = uniqueId("console");
  alive = true;
  private kind: ConsoleKind = "pv";
  private readonly screens: readonly Screen[];
  private readonly search = new SearchBar(() => this.current.session);
  private readonly strip: BootStrip;
  private readonly disks: GuestDisks;
  private readonly ended = h("p", { class: "console-ended", hidden: true });
  private readonly releases: (() => void)[] = [];

  constructor(
    private readonly context: AppContext,
    public domid: DomId,
    public name: string,
  ) {
    this.strip = new BootStrip((ms) => context.announce(`${this.name} is ready after ${formatSeconds(ms)}`));
    this.disks = new GuestDisks(context, () => ({ domid: this.domid, name: this.name, alive: this.alive }));
    this.screens = KINDS.map((kind) => this.buildScreen(kind));
    this.element = h(
      "section",
      { class: "console-panel", id: this.id, role: "tabpanel", "aria-label": `Consoles of ${name}`, hidden: true },
      this.buildToolbar(),
      this.disks.element,
      this.strip.element,
      this.search.element,
      h("div", { class: "screens" }, ...this.screens.map((screen) => screen.element)),
      this.ended,
      buildHint(),
    );
    this.showKind("pv");
    this.releases.push(
      context.settings.subscribe(() => this.applySettings()),
      context.dark.subscribe(() => this.applySettings()),
    );
    this.attach(this.age());
  }

  get current(): Screen {
    return this.screens.find((screen) => screen.kind === this.kind)!;
  }

  show(visible: boolean): void {
    this.element.hidden = !visible;
    if (!visible) return;
    this.current.session.open();
    this.current.session.fit();
  }

  focus(): void {
    this.current.session.focus();
  }

  /** Goes on with another number of the same domain, after a reboot. */
  rebind(domid: DomId): void {
    this.domid = domid;
    this.alive = true;
    this.ended.hidden = true;
    this.current.session.remark(`${this.name} restarted as domain ${domid}`);
    this.attach(0);
  }

  /** The domain has stopped but is kept: there is no boot to wait for any more. */
  endBoot(): void {
    this.strip.end();
  }

  /** The domain is gone: its output stays readable. */
  end(why: string): void {
    this.alive = false;
    this.strip.end();
    for (const { session } of this.screens) session.detach();
    setText(this.ended, `${why} Its output stays here until the tab is closed.`);
    this.ended.hidden = false;
  }

  dispose(): void {
    for (const release of this.releases) release();
    this.disks.dispose();
    for (const { session } of this.screens) session.dispose();
    this.strip.end();
    this.element.remove();
  }

  private age(): number {
    return (this.context.monitor.row(this.domid)?.info.uptimeSeconds ?? 0) * 1000;
  }

  private attach(ageMs: number): void {
    this.strip.start(ageMs);
    for (const { session, kind } of this.screens) void session.attach(this.context.host, this.domid, kind);
  }

  private applySettings(): void {
    for (const { session } of this.screens) session.applySettings(this.context.settings.get(), this.context.dark.get());
  }

  private buildScreen(kind: ConsoleKind): Screen {
    const label = `${KIND_NAMES[kind]} console of ${this.name}`;
    const element = h("div", {
      class: "screen",
      hidden: true,
      tabindex: 0,
      role: "group",
      "aria-label": `${label}. Enter goes in, ${CHORD_NAMES.leave} leaves.`,
    });
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target !== element) return;
      event.preventDefault();
      this.focus();
    });
    const tab = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.chooseKind(kind) });
    tab.append(KIND_NAMES[kind], h("span", { class: "kind-device" }, KIND_DEVICES[kind]));
    const session = new TerminalSession(element, label, this.context.settings.get(), {
      onLeave: () => element.focus(),
      onSearch: () => this.search.open(),
      onOutput: (data) => {
        if (kind === "pv") this.strip.feed(data);
        tab.classList.toggle("unread", kind !== this.kind);
      },
      onCopied: (characters) => this.context.announce(`${characters} characters copied`),
      onError: (error) => this.context.fail(error),
    });
    session.onSearchResults((results) => this.search.showResults(results));
    return { kind, element, session, tab };
  }

  private buildToolbar(): HTMLElement {
    const { settings } = this.context;
    const reader = h(
      "button",
      { type: "button", class: "toggle", title: "Screen reader support: the console’s text is read out as it comes" },
      icon("reader"),
      "Screen reader",
    );
    reader.addEventListener("click", () => settings.patch({ screenReader: !settings.get().screenReader }));
    this.releases.push(
      settings.subscribe(({ screenReader }) => reader.setAttribute("aria-pressed", String(screenReader))),
    );
    const kinds = h("div", { class: "segments", role: "group", "aria-label": "Console kind" });
    kinds.append(...this.screens.map((screen) => screen.tab));
    return h(
      "div",
      { class: "console-toolbar" },
      kinds,
      h("div", { class: "spacer" }),
      this.disks.toggle,
      reader,
      fontButton(this.context, -1),
      fontButton(this.context, +1),
      h(
        "button",
        {
          type: "button",
          class: "icon-button",
          "aria-label": "Search in the console",
          title: `Search (${CHORD_NAMES.search})`,
          onclick: () => this.search.open(),
        },
        icon("search"),
      ),
    );
  }

  private chooseKind(kind: ConsoleKind): void {
    this.showKind(kind);
    this.current.session.open();
    this.current.session.fit();
    this.focus();
  }

  private showKind(kind: ConsoleKind): void {
    this.kind = kind;
    for (const screen of this.screens) {
      screen.element.hidden = screen.kind !== kind;
      screen.tab.setAttribute("aria-pressed", String(screen.kind === kind));
    }
    this.current.tab.classList.remove("unread");
  }
}

function fontButton({ settings }: AppContext, step: 1 | -1): HTMLElement {
  const label = step > 0 ? "Larger text" : "Smaller text";
  const change = (): void => settings.patch({ fontSizePx: clampFontSize(settings.get().fontSizePx + step) });
  return h(
    "button",
    {
      type: "button",
      class: `icon-button font-${step > 0 ? "larger" : "smaller"}`,
      "aria-label": label,
      title: label,
      onclick: change,
    },
    "A",
  );
}

function buildHint(): HTMLElement {
  const key = (chord: keyof typeof CHORD_NAMES, text: string) =>
    h("span", {}, h("kbd", {}, CHORD_NAMES[chord]), ` ${text}`);
  return h(
    "p",
    { class: "console-hint" },
    key("leave", "leaves the console, Enter goes back in"),
    key("search", "search"),
    key("copy", "copy"),
    key("paste", "paste"),
  );
}
