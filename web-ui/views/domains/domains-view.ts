/** The domains beside everything else, and a summary of the machine they share. */
import type { DomId, HostInfo } from "../../../control-plane/api/index.js";
import { formatCount, formatKiB, type Snapshot } from "../../state/index.js";
import { type AppContext, h, icon, setText, View } from "../common/index.js";
import { DomainActions } from "./actions.js";
import { DomainCard } from "./domain-card.js";

export class DomainsView extends View {
  private readonly cards = new Map<DomId, DomainCard>();
  private readonly list = h("ul", { class: "domains", "aria-label": "Domains" });
  private readonly empty = h("p", { class: "hint" }, "No domain yet.");
  private readonly pcpus = h("dd", {});
  private readonly threads = h("dd", {});
  private readonly frames = h("dd", {});
  private readonly wasmMemory = h("dd", {});
  private readonly version = h("dd", {});
  private readonly actions: DomainActions;

  constructor(private readonly context: AppContext) {
    super();
    this.actions = new DomainActions(context);
  }

  protected build(): void {
    const { ui } = this.context;
    const figure = (term: string, value: Node) => h("div", {}, h("dt", {}, term), value);
    const add = h("button", { type: "button", class: "button small", onclick: () => ui.patch({ view: "new" }) });
    add.append(icon("plus"), "New domain");
    this.append(
      h("div", { class: "aside-head" }, h("h2", {}, "Domains"), add),
      this.empty,
      this.list,
      h("h2", { class: "machine-heading" }, "Machine"),
      h(
        "dl",
        { class: "machine-summary" },
        figure("Processors", this.pcpus),
        figure("Threads", this.threads),
        figure("Frames", this.frames),
        figure("Wasm memory", this.wasmMemory),
        figure("Xenolith", this.version),
      ),
    );
    this.own(this.context.monitor.snapshot.subscribe((snapshot) => this.update(snapshot)));
    this.own(ui.subscribe(() => this.update(this.context.monitor.snapshot.get())));
  }

  private update({ rows, host }: Snapshot): void {
    const { selected } = this.context.ui.get();
    for (const row of rows) {
      const { domid } = row.info;
      let card = this.cards.get(domid);
      if (!card) {
        card = new DomainCard(row, this.actions, () => this.context.ui.set({ view: "consoles", selected: domid }));
        this.cards.set(domid, card);
        this.list.append(card.element);
      }
      card.update(row, domid === selected);
    }
    for (const [domid, card] of this.cards) {
      if (rows.some((row) => row.info.domid === domid)) continue;
      card.element.remove();
      this.cards.delete(domid);
    }
    this.empty.hidden = rows.length > 0;
    if (host) this.updateMachine(host);
  }

  private updateMachine(host: HostInfo): void {
    setText(this.pcpus, formatCount(host.pcpus, "pCPU"));
    setText(this.threads, host.singleThread ? "one: this page is not isolated" : "one for each pCPU");
    setText(this.frames, `${formatKiB(host.usedKiB)} of ${formatKiB(host.totalKiB)}`);
    setText(this.wasmMemory, formatKiB(host.wasmMemoryBytes / 1024));
    setText(this.version, `${host.version}, Xen ${host.xenVersion} interface`);
  }
}
