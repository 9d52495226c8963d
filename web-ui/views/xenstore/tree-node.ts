/**
 * One key of xenstore in the tree: its value, and its children once it has been opened. Reads what it shows through
 * the reader it is given, so that a refresh is the same as the first load.
 */
import { h, setText } from "../common/index.js";

export interface StoreReader {
  read(path: string): Promise<string | null>;
  list(path: string): Promise<string[]>;
}

/** Deeper indentation would only push the values out of sight. */
const INDENT_LEVELS_MAX = 12;
const FLASH_MS = 1200;

export class TreeNode {
  readonly element: HTMLElement;
  readonly item: HTMLElement;
  readonly children = new Map<string, TreeNode>();
  expanded = false;
  private hasChildren = false;
  private readonly value = h("span", { class: "key-value" });
  private readonly group = h("div", { role: "group", hidden: true });

  constructor(
    private readonly reader: StoreReader,
    readonly path: string,
    readonly parent: TreeNode | null,
    name: string,
    level: number,
  ) {
    this.item = h(
      "div",
      { class: "key", style: `--level:${Math.min(level, INDENT_LEVELS_MAX)}` },
      h("span", { class: "twist", "aria-hidden": "true" }),
      h("span", { class: "key-name" }, name),
      this.value,
    );
    this.element = h("div", { role: "treeitem", tabindex: -1, "aria-level": level, "aria-label": name });
    this.element.append(this.item, this.group);
    this.level = level;
  }

  private readonly level: number;

  /** Reads value and children again; opened children follow. */
  async refresh(): Promise<void> {
    const [value, names] = await Promise.all([this.reader.read(this.path), this.reader.list(this.path)]);
    const changed = this.value.textContent !== "" && this.value.textContent !== (value ?? "");
    setText(this.value, value ?? "");
    this.element.setAttribute("aria-label", value ? `${nameOf(this.path)}: ${value}` : nameOf(this.path));
    if (changed) this.flash();
    this.hasChildren = names.length > 0;
    if (this.hasChildren) this.element.setAttribute("aria-expanded", String(this.expanded));
    else this.element.removeAttribute("aria-expanded");
    if (this.expanded) await this.syncChildren(names);
  }

  async setExpanded(expanded: boolean): Promise<void> {
    if (!this.hasChildren && expanded) return;
    this.expanded = expanded;
    this.group.hidden = !expanded;
    this.element.setAttribute("aria-expanded", String(expanded));
    if (expanded) await this.refresh();
  }

  /** The deepest loaded node on the way to `path`. */
  find(path: string): TreeNode {
    for (const child of this.children.values()) {
      if (path === child.path || path.startsWith(`${child.path}/`)) return child.find(path);
    }
    return this;
  }

  private async syncChildren(names: readonly string[]): Promise<void> {
    for (const [name, child] of this.children) {
      if (names.includes(name)) continue;
      child.element.remove();
      this.children.delete(name);
    }
    const fresh: TreeNode[] = [];
    for (const name of names) {
      let child = this.children.get(name);
      if (!child) {
        const path = this.path === "/" ? `/${name}` : `${this.path}/${name}`;
        child = new TreeNode(this.reader, path, this, name, this.level + 1);
        this.children.set(name, child);
        fresh.push(child);
      }
      this.group.append(child.element);
    }
    await Promise.all(fresh.map((child) => child.refresh()));
  }

  private flash(): void {
    this.item.classList.add("changed");
    setTimeout(() => this.item.classList.remove("changed"), FLASH_MS);
  }
}

function nameOf(path: string): string {
  return path === "/" ? "/" : (path.split("/").pop() ?? path);
}
