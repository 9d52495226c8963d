/**
 * The disks of one domain, between its toolbar and its console: what each is and has moved, and what can be done to them
 * while the guest runs. Read anew every second while it is open.
 */
import type { DiskInfo } from "../../../control-plane/api/index.js";
import { formatBytes, formatCount, imageFailure } from "../../state/index.js";
import { type AppContext, attachMenu, h, icon, setText, uniqueId } from "../common/index.js";
import { GuestDiskActions } from "./guest-disk-actions.js";
import type { GuestRef } from "./guest-ref.js";

const SECTOR_BYTES = 512;
/** [XEN] io/xenbus.h, by the number of the state. */
const STATES = ["unknown", "starting", "waiting for the guest", "starting", "connected", "closing", "closed"] as const;

interface Row {
  readonly element: HTMLElement;
  readonly cells: Readonly<Record<"image" | "size" | "state" | "read" | "written", HTMLElement>>;
  disk: DiskInfo;
}

export class GuestDisks {
  private readonly id = uniqueId("disks");
  readonly toggle = h(
    "button",
    { type: "button", class: "toggle", "aria-expanded": "false", "aria-controls": this.id },
    "Disks",
  );
  private readonly body = h("tbody", {});
  private readonly table = buildTable(this.body);
  private readonly empty = h("p", { class: "hint" }, "This domain has no disk.");
  readonly element: HTMLElement;
  private readonly rows = new Map<string, Row>();
  private readonly actions: GuestDiskActions;
  private readonly release: () => void;

  constructor(
    private readonly context: AppContext,
    private readonly guest: () => GuestRef,
  ) {
    this.actions = new GuestDiskActions(context, guest, () => this.read());
    const attach = h("button", { type: "button", class: "button small", onclick: () => void this.attach() });
    attach.append(icon("plus"), "Attach a disk");
    this.element = h(
      "section",
      { class: "guest-disks", id: this.id, hidden: true, "aria-label": "Disks of this domain" },
      this.empty,
      h("div", { class: "table-scroll" }, this.table),
      attach,
    );
    this.toggle.addEventListener("click", () => this.setOpen(this.element.hidden !== false));
    this.release = context.monitor.snapshot.subscribe(() => !this.element.hidden && void this.read());
  }

  dispose(): void {
    this.release();
  }

  private setOpen(open: boolean): void {
    this.element.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (open) void this.read();
  }

  private async attach(): Promise<void> {
    await this.actions.attach([...this.rows.values()].map(({ disk }) => disk));
  }

  private async read(): Promise<void> {
    const { domid, alive } = this.guest();
    try {
      this.show(alive ? await this.context.host.disks(domid) : []);
    } catch (error) {
      if ((error as { code?: unknown }).code === "no-such-domain") this.show([]);
      else this.context.fail(imageFailure("Looking at the disks", error));
    }
  }

  private show(disks: readonly DiskInfo[]): void {
    for (const [vdev, { element }] of this.rows) {
      if (disks.some((disk) => disk.vdev === vdev)) continue;
      element.remove();
      this.rows.delete(vdev);
    }
    for (const disk of disks) {
      const row = this.rows.get(disk.vdev) ?? this.add(disk);
      row.disk = disk;
      update(row);
    }
    setText(this.toggle, disks.length === 0 ? "Disks" : formatCount(disks.length, "disk"));
    this.empty.hidden = disks.length > 0;
    this.table.hidden = disks.length === 0;
  }

  private add(disk: DiskInfo): Row {
    const cell = () => h("td", {});
    const cells = { image: cell(), size: cell(), state: cell(), read: cell(), written: cell() };
    const label = `Actions for ${disk.vdev}`;
    const more = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label }, icon("more"));
    const element = h(
      "tr",
      {},
      h("th", { scope: "row", class: "mono" }, disk.vdev),
      cells.image,
      cells.size,
      cells.state,
      cells.read,
      cells.written,
      h("td", {}, more),
    );
    const row: Row = { element, cells, disk };
    attachMenu(more, () => this.actions.menu(row.disk));
    this.rows.set(disk.vdev, row);
    this.body.append(element);
    return row;
  }
}

function buildTable(body: HTMLElement): HTMLElement {
  const heads = ["Disk", "Image", "Size", "State", "Read", "Written"].map((text) => h("th", { scope: "col" }, text));
  const last = h("td", {});
  return h("table", { hidden: true }, h("thead", {}, h("tr", {}, ...heads, last)), body);
}

function update({ cells, disk }: Row): void {
  const { config, chain, sizeBytes, readOnly, state, counters } = disk;
  const below = chain.length > 1 ? `, on ${formatCount(chain.length - 1, "image")}` : "";
  setText(cells.image, config.target === "" ? "empty drive" : `${config.target}${below}`);
  setText(cells.size, formatBytes(sizeBytes));
  const access = config.devtype === "cdrom" ? ", CD-ROM" : readOnly ? ", read only" : "";
  setText(cells.state, `${STATES[state] ?? state}${access}`);
  setText(cells.read, formatBytes((counters.readSectors ?? 0) * SECTOR_BYTES));
  setText(cells.written, formatBytes((counters.writtenSectors ?? 0) * SECTOR_BYTES));
}
