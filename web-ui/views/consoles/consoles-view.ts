/**
 * The consoles of all domains: a tab each, in the order they started. Tabs of domains that are gone stay, with their
 * output, until closed; a domain that comes back after a reboot takes over the tab of its name.
 */
import type { DomId } from "../../../control-plane/api/index.js";
import { isAlive, type Snapshot } from "../../state/index.js";
import { type AppContext, h, icon, setText, uniqueId, View } from "../common/index.js";
import { ConsolePanel } from "./console-panel.js";

interface Tab {
  readonly panel: ConsolePanel;
  readonly button: HTMLButtonElement;
  readonly label: HTMLElement;
  readonly close: HTMLButtonElement;
  readonly element: HTMLElement;
}

export class ConsolesView extends View {
  private readonly tabs: Tab[] = [];
  private readonly tabList = h("div", { class: "tab-list", role: "tablist", "aria-label": "Domain consoles" });
  private readonly closers = h("div", { class: "tab-closers" });
  private readonly panels = h("div", { class: "panels" });
  private readonly empty: HTMLElement;
  private shown: Tab | null = null;

  constructor(private readonly context: AppContext) {
    super();
    this.empty = h(
      "div",
      { class: "empty" },
      h("p", {}, "No domain is running."),
      h(
        "button",
        { type: "button", class: "button primary", onclick: () => context.ui.patch({ view: "new" }) },
        "Start one",
      ),
    );
  }

  protected build(): void {
    const bar = h("div", { class: "tab-bar" }, this.tabList, this.closers);
    this.append(h("h1", { class: "visually-hidden" }, "Consoles"), bar, this.panels, this.empty);
    this.tabList.addEventListener("keydown", (event) => this.moveByKey(event));
    this.own(this.context.monitor.snapshot.subscribe((snapshot) => this.sync(snapshot)));
    this.own(this.context.ui.subscribe(() => this.showSelected()));
  }

  /** Moves the keyboard into the shown terminal. */
  focusTerminal(): void {
    this.shown?.panel.focus();
  }

  private sync({ rows }: Snapshot): void {
    for (const tab of this.tabs) {
      const row = rows.find(({ info }) => info.domid === tab.panel.domid);
      if (!row && tab.panel.alive) tab.panel.end(`${tab.panel.name} is gone.`);
      if (row && !isAlive(row.info)) tab.panel.endBoot();
      if (row) tab.panel.name = row.info.name;
      tab.element.classList.toggle("ended", !tab.panel.alive);
      setText(tab.label, tab.panel.name);
    }
    for (const { info } of rows) {
      if (this.tabs.some(({ panel }) => panel.domid === info.domid)) continue;
      const successor = this.tabs.find(({ panel }) => !panel.alive && panel.name === info.name);
      if (successor) this.takeOver(successor, info.domid);
      else this.add(info.domid, info.name);
    }
    this.showSelected();
  }

  private takeOver(tab: Tab, domid: DomId): void {
    const wasSelected = this.context.ui.get().selected === tab.panel.domid;
    tab.panel.rebind(domid);
    tab.element.classList.remove("ended");
    if (wasSelected) this.context.ui.patch({ selected: domid });
  }

  private add(domid: DomId, name: string): void {
    const panel = new ConsolePanel(this.context, domid, name);
    const label = h("span", {}, name);
    const button = h(
      "button",
      { type: "button", role: "tab", id: uniqueId("tab"), "aria-controls": panel.id, onclick: () => this.select(tab) },
      label,
    );
    const close = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": "Close this tab", title: "Close this tab" },
      icon("close"),
    );
    const tab: Tab = { panel, button, label, close, element: button };
    close.addEventListener("click", () => this.closeTab(tab));
    close.hidden = true;
    this.tabs.push(tab);
    this.tabList.append(button);
    this.closers.append(close);
    this.panels.append(panel.element);
  }

  private select(tab: Tab): void {
    this.context.ui.patch({ view: "consoles", selected: tab.panel.domid });
    this.focusTerminal();
  }

  private closeTab(tab: Tab): void {
    const index = this.tabs.indexOf(tab);
    if (index >= 0) this.tabs.splice(index, 1);
    tab.panel.dispose();
    tab.element.remove();
    tab.close.remove();
    this.shown = null;
    const next = this.tabs[Math.min(index, this.tabs.length - 1)];
    this.context.ui.patch({ selected: next?.panel.domid ?? null });
    this.showSelected();
    next?.button.focus();
  }

  private showSelected(): void {
    const { selected, view } = this.context.ui.get();
    const tab = this.tabs.find(({ panel }) => panel.domid === selected) ?? this.tabs.at(-1) ?? null;
    for (const other of this.tabs) {
      const on = other === tab;
      other.button.setAttribute("aria-selected", String(on));
      other.button.tabIndex = on ? 0 : -1;
      other.panel.show(on && view === "consoles");
      other.close.hidden = !on || other.panel.alive;
    }
    this.shown = tab;
    this.empty.hidden = this.tabs.length > 0;
    this.tabList.parentElement!.hidden = this.tabs.length === 0;
  }

  /** Arrows move along the tabs, as the ARIA practices have it. */
  private moveByKey(event: KeyboardEvent): void {
    const at = this.tabs.findIndex(({ button }) => button === document.activeElement);
    if (at < 0) return;
    const last = this.tabs.length - 1;
    const targets: Record<string, number> = {
      ArrowRight: at === last ? 0 : at + 1,
      ArrowLeft: at === 0 ? last : at - 1,
      Home: 0,
      End: last,
    };
    const target = this.tabs[targets[event.key] ?? -1];
    if (!target) return;
    event.preventDefault();
    this.context.ui.patch({ selected: target.panel.domid });
    target.button.focus();
  }
}
