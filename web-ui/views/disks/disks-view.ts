/** The images of this browser: a picture of which stands on which, what can be done to each, and the room that there is. */
import type { ImageInfo } from "../../../control-plane/api/index.js";
import { allImages, formatBytes, imageFailure, type ShelfRoom, type ShelfSnapshot } from "../../state/index.js";
import { type AppContext, h, icon, setText, View } from "../common/index.js";
import { ImageActions } from "./image-actions.js";
import { ImageDetails } from "./image-details.js";
import { ImageTree } from "./image-tree.js";
import { buildJobList } from "./job-list.js";
import { importFiles } from "./transfer-actions.js";

const MISSING = [
  "This browser keeps no files for this page: it has no origin private file system, or a private window or a page without https:// denies it.",
  "Guests run all the same, from memory. For disks, open the page over https:// in a window that is not private, in Chrome or Edge from version 108, Firefox from 111 or Safari from 16.4.",
];

export class DisksView extends View {
  private readonly room = h("p", { class: "hint" });
  private readonly empty = h("div", { class: "image-empty", hidden: true });
  private readonly tree: ImageTree;
  private readonly details = new ImageDetails();
  private readonly actions: ImageActions;
  private readonly input = h("input", {
    type: "file",
    multiple: true,
    class: "visually-hidden",
    tabindex: -1,
    "aria-label": "Image files",
  });
  private selected: string | null = null;
  private shown = false;
  private info: ImageInfo | null = null;

  constructor(private readonly context: AppContext) {
    super();
    this.actions = new ImageActions(context, (name) => this.select(name));
    this.tree = new ImageTree({
      select: (name) => this.select(name),
      act: (name, key) => {
        this.select(name);
        if (key === "Enter") this.details.focusActions();
        else void this.actions.remove(name);
      },
    });
  }

  protected build(): void {
    const { context } = this;
    this.append(h("div", { class: "panel-head" }, h("h1", { tabindex: -1 }, "Disks"), this.room));
    if (!context.shelf.available) {
      this.append(h("div", { class: "image-empty" }, ...MISSING.map((text) => h("p", {}, text))));
      return;
    }
    this.input.addEventListener("change", () => {
      const files = [...(this.input.files ?? [])];
      this.input.value = "";
      void this.takeFiles(files);
    });
    this.empty.append(
      h("p", {}, "No image yet. Create one, or drop files on this page: VHD, raw or qcow2. They stay in this browser."),
    );
    this.append(
      this.buildToolbar(),
      buildJobList(context.jobs, (text) => context.announce(text)),
      this.empty,
      h("div", { class: "image-shelf" }, this.tree.element, this.details.element),
    );
    this.own(context.shelf.snapshot.subscribe((snapshot) => this.update(snapshot)));
    this.own(context.ui.subscribe(({ view }) => this.setShown(view === "disks")));
  }

  async takeFiles(files: readonly File[]): Promise<void> {
    const name = await importFiles(this.context, files);
    if (name !== null) this.select(name);
  }

  private buildToolbar(): HTMLElement {
    const button = (label: string, run: () => void) =>
      h("button", { type: "button", class: "button small", onclick: run }, label);
    const add = h("button", { type: "button", class: "button small", onclick: () => void this.actions.create() });
    add.append(icon("plus"), "Create");
    return h(
      "div",
      { class: "image-toolbar", role: "group", "aria-label": "New images" },
      add,
      button("Import files", () => this.input.click()),
      button("From a server", () => void this.actions.layer()),
      this.input,
    );
  }

  private setShown(shown: boolean): void {
    if (shown && !this.shown) void this.look();
    this.shown = shown;
  }

  private async look(): Promise<void> {
    try {
      await this.context.shelf.look();
    } catch (error) {
      this.shown = false;
      this.context.fail(imageFailure("Looking at the images", error));
    }
  }

  private select(name: string): void {
    if (this.selected !== name) this.info = null;
    this.selected = name;
    this.update(this.context.shelf.snapshot.get());
    void this.readInfo(name);
  }

  /** The tree knows less of an image than a look at it alone. */
  private async readInfo(name: string): Promise<void> {
    const info = await this.context.host.image("info", name).catch(() => null);
    if (this.selected !== name || info === null) return;
    this.info = info;
    this.showDetails();
  }

  private update({ trees, uses, room }: ShelfSnapshot): void {
    setText(this.room, room === null ? "" : describeRoom(room));
    if (trees === null) return;
    const names = allImages(trees).map(({ name }) => name);
    if (this.selected === null || !names.includes(this.selected)) this.selected = names[0] ?? null;
    this.empty.hidden = names.length > 0;
    this.tree.element.hidden = names.length === 0;
    this.tree.show(trees, uses, this.selected);
    this.showDetails();
  }

  private showDetails(): void {
    const { shelf } = this.context;
    const node = allImages(shelf.trees).find(({ name }) => name === this.selected);
    if (node === undefined) {
      this.details.hide();
      return;
    }
    const whole = this.info?.name === node.name ? { ...this.info, ...node.info } : node.info;
    this.details.show(node, whole, shelf.usesOf(node.name), this.actions.of(node));
  }
}

function describeRoom({ usedBytes, quotaBytes, persistent }: ShelfRoom): string {
  const kept = persistent ? "kept until you clear it" : "the browser may clear it when space runs short";
  return `${formatBytes(usedBytes)} of ${formatBytes(quotaBytes)} used in this browser; ${kept}.`;
}
