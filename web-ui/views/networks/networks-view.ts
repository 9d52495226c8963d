/** The networks: a picture of each, who talks to whom and how fast, and what can be done to what is plugged in. */
import type { DomId, NetworkInfo, NetworkLink, NetworkPort } from "../../../control-plane/api/index.js";
import { type NetworkSnapshot, NetworkWatch, type PortRates } from "../../state/index.js";
import { type AppContext, h, setText, View } from "../common/index.js";
import { askJoin, join, linkTable } from "./links.js";
import { NetworkPicture } from "./network-picture.js";
import { Recordings } from "./recordings.js";
import { flowTable, natTable, portTable } from "./tables.js";

/** What is kept of a network between two looks. */
class Section {
  readonly picture = new NetworkPicture();
  readonly limits = h("p", { class: "hint" });
  readonly tables = h("div", { class: "network-tables" });
  readonly record = h("button", { type: "button", class: "button small" });
  readonly element: HTMLElement;

  constructor(name: string) {
    this.element = h(
      "section",
      { class: "network", "aria-label": `Network ${name}` },
      h("div", { class: "network-head" }, h("h2", {}, name), this.record),
      this.limits,
      this.picture.element,
      this.tables,
    );
  }
}

export class NetworksView extends View {
  private readonly watch: NetworkWatch;
  private readonly recordings: Recordings;
  private readonly sections = new Map<string, Section>();
  private readonly list = h("div", { class: "network-list" });
  private readonly empty = h(
    "p",
    { class: "image-empty", hidden: true },
    "No guest has a network interface. A new domain gets one unless you say otherwise; guests that name the same network can talk to each other.",
  );
  private readonly joinButton = h(
    "button",
    { type: "button", class: "button small", onclick: () => void this.join() },
    "Join a network elsewhere",
  );

  constructor(private readonly context: AppContext) {
    super();
    const now = () => performance.now();
    this.watch = new NetworkWatch(context.host, now, (error) => context.fail(error));
    this.recordings = new Recordings(context, () => this.update(this.watch.snapshot.get()));
  }

  protected build(): void {
    this.append(
      h("div", { class: "panel-head" }, h("h1", { tabindex: -1 }, "Networks"), this.joinButton),
      this.empty,
      this.list,
    );
    this.own(this.watch.snapshot.subscribe((snapshot) => this.update(snapshot)));
    this.own(this.context.ui.subscribe(({ view }) => this.watch.watch(view === "networks")));
  }

  private update({ networks, rates }: NetworkSnapshot): void {
    if (networks === null) return;
    this.empty.hidden = networks.length > 0;
    for (const [name, { element }] of this.sections) {
      if (networks.some((network) => network.name === name)) continue;
      element.remove();
      this.sections.delete(name);
    }
    for (const network of networks) this.show(this.sectionOf(network), network, rates);
  }

  private sectionOf({ name }: NetworkInfo): Section {
    const known = this.sections.get(name);
    if (known !== undefined) return known;
    const section = new Section(name);
    section.record.addEventListener("click", () => {
      void this.recordings.toggle(name, { network: name }, `${name}.pcapng`);
    });
    this.sections.set(name, section);
    this.list.append(section.element);
    return section;
  }

  private show(section: Section, network: NetworkInfo, rates: PortRates): void {
    section.picture.show(network, rates);
    setText(section.limits, network.nat?.limits ?? "");
    section.limits.hidden = !network.nat?.limits;
    setText(section.record, this.recordings.isOn(network.name) ? "Stop recording" : "Record all");
    // What has the focus stays: somebody is about to press it.
    if (section.tables.contains(document.activeElement) && document.activeElement?.tagName === "BUTTON") return;
    section.tables.replaceChildren(
      flowTable(network),
      portTable(network, rates, {
        toggleLink: (port) => void this.toggleLink(port),
        record: (port) => void this.record(port),
        isRecorded: (port) => this.recordings.isOn(port.name),
      }),
      ...(network.links.length === 0 ? [] : [linkTable(network, (link) => void this.leave(network, link))]),
      ...(network.nat === undefined ? [] : [natTable(network.nat)]),
    );
  }

  private async join(): Promise<void> {
    const wanted = await askJoin();
    if (wanted === null) return;
    try {
      await join(this.context, wanted);
      await this.watch.look();
    } catch (error) {
      this.context.fail(error);
    }
    this.joinButton.focus();
  }

  private async leave({ name }: NetworkInfo, { id }: NetworkLink): Promise<void> {
    try {
      await this.context.host.leaveNetwork(id);
      this.context.announce(`Network ${name} has left link ${id}`);
      // Its button goes with it.
      this.joinButton.focus();
      await this.watch.look();
    } catch (error) {
      this.context.fail(error);
    }
  }

  private async toggleLink({ domid, devid, linkUp, name }: NetworkPort): Promise<void> {
    try {
      await this.context.host.setVif(domid as DomId, devid!, { linkUp: !linkUp });
      this.context.announce(`${name} is ${linkUp ? "unplugged" : "plugged in"}`);
      (document.activeElement as HTMLElement | null)?.blur();
      await this.watch.look();
    } catch (error) {
      this.context.fail(error);
    }
  }

  private async record({ domid, devid, name }: NetworkPort): Promise<void> {
    (document.activeElement as HTMLElement | null)?.blur();
    await this.recordings.toggle(name, { domid: domid!, devid: devid! }, `${name}.pcapng`);
  }
}
