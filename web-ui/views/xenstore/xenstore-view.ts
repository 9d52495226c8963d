/**
 * A browser of xenstore: the whole tree, opened key by key, live by one watch on its root while it is shown. Keys as
 * in the ARIA tree pattern: Up and Down move, Right opens or enters, Left closes or leaves.
 */
import { type AppContext, h, View } from "../common/index.js";
import { TreeNode } from "./tree-node.js";

/** Watches can fire in bursts: the changed keys of one burst are read once. */
const GATHER_MS = 120;

export class XenstoreView extends View {
  private readonly tree = h("div", { class: "store", role: "tree", "aria-label": "xenstore" });
  private readonly root: TreeNode;
  private endWatch: (() => void) | null = null;
  private shown = false;
  private readonly changed = new Set<string>();

  constructor(private readonly context: AppContext) {
    super();
    const { host } = context;
    const reader = { read: (path: string) => host.xenstoreRead(path), list: (path: string) => host.xenstoreList(path) };
    this.root = new TreeNode(reader, "/", null, "/", 1);
  }

  protected build(): void {
    this.tree.append(this.root.element);
    this.root.element.tabIndex = 0;
    this.tree.addEventListener("click", (event) => this.onClick(event));
    this.tree.addEventListener("keydown", (event) => this.onKey(event));
    this.append(
      h(
        "div",
        { class: "panel-head" },
        h("h1", { tabindex: -1 }, "XenStore"),
        h("p", { class: "hint" }, "What Domain0 and the guests tell each other. Changes show as they happen."),
      ),
      this.tree,
    );
    this.own(this.context.ui.subscribe(({ view }) => void this.setShown(view === "xenstore")));
  }

  private async setShown(shown: boolean): Promise<void> {
    if (shown === this.shown) return;
    this.shown = shown;
    if (!shown) {
      this.endWatch?.();
      this.endWatch = null;
      return;
    }
    try {
      await this.open();
      const end = await this.context.host.xenstoreWatch("/", (path) => this.onChange(path));
      if (this.shown) this.endWatch = end;
      else end();
    } catch (error) {
      this.context.fail(error);
    }
  }

  /** The first look opens the way to the domains. */
  private async open(): Promise<void> {
    await this.root.refresh();
    if (this.root.expanded) return;
    await this.root.setExpanded(true);
    await this.root.children.get("local")?.setExpanded(true);
    await this.root.find("/local/domain").setExpanded(true);
  }

  private onChange(path: string): void {
    if (this.changed.size === 0) setTimeout(() => void this.readChanged(), GATHER_MS);
    this.changed.add(path);
  }

  private async readChanged(): Promise<void> {
    const nodes = new Set([...this.changed].map((path) => this.root.find(path)));
    // A key that is gone shows in its parent's list.
    for (const node of [...nodes]) if (node.parent) nodes.add(node.parent);
    this.changed.clear();
    try {
      await Promise.all([...nodes].map((node) => node.refresh()));
    } catch (error) {
      this.context.fail(error);
    }
  }

  private nodeAt(element: Element | null): TreeNode | null {
    const item = element?.closest('[role="treeitem"]');
    const seek = (node: TreeNode): TreeNode | null => {
      if (node.element === item) return node;
      for (const child of node.children.values()) {
        const found = seek(child);
        if (found) return found;
      }
      return null;
    };
    return item ? seek(this.root) : null;
  }

  private onClick(event: Event): void {
    const node = this.nodeAt(event.target as Element);
    if (!node) return;
    this.focusNode(node);
    void this.toggle(node, !node.expanded);
  }

  private onKey(event: KeyboardEvent): void {
    const node = this.nodeAt(document.activeElement);
    if (!node) return;
    const visible = visibleNodes(this.root);
    const at = visible.indexOf(node);
    const moves: Record<string, () => void> = {
      ArrowDown: () => this.focusNode(visible[at + 1]),
      ArrowUp: () => this.focusNode(visible[at - 1]),
      Home: () => this.focusNode(visible[0]),
      End: () => this.focusNode(visible.at(-1)),
      ArrowRight: () => (node.expanded ? this.focusNode(visible[at + 1]) : void this.toggle(node, true)),
      ArrowLeft: () => (node.expanded ? void this.toggle(node, false) : this.focusNode(node.parent ?? undefined)),
      Enter: () => void this.toggle(node, !node.expanded),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  private async toggle(node: TreeNode, expanded: boolean): Promise<void> {
    try {
      await node.setExpanded(expanded);
    } catch (error) {
      this.context.fail(error);
    }
  }

  private focusNode(node: TreeNode | undefined): void {
    if (!node) return;
    for (const item of this.tree.querySelectorAll<HTMLElement>('[role="treeitem"][tabindex="0"]')) item.tabIndex = -1;
    node.element.tabIndex = 0;
    node.element.focus();
  }
}

function visibleNodes(node: TreeNode): TreeNode[] {
  return [node, ...(node.expanded ? [...node.children.values()].flatMap(visibleNodes) : [])];
}
