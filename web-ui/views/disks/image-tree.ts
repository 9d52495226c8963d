/**
 * The images as a picture: each over the one it stands on, joined by lines. Keys as in the ARIA tree pattern: Up and
 * Down move, Right opens or enters, Left closes or leaves, Enter goes to the actions of the image.
 */
import type { ImageNode } from "../../../control-plane/api/index.js";
import { formatBytes, type ImageUse, type ShelfSnapshot } from "../../state/index.js";
import { h } from "../common/index.js";
import { kindOf } from "./image-text.js";

export interface TreeHooks {
  select(name: string): void;
  /** Enter, or Delete, on an image. */
  act(name: string, key: "Enter" | "Delete"): void;
}

export class ImageTree {
  readonly element = h("div", { class: "image-tree", role: "tree", "aria-label": "Images" });
  private readonly closed = new Set<string>();
  private trees: readonly ImageNode[] = [];
  private uses: ShelfSnapshot["uses"] = new Map();
  private selected: string | null = null;

  constructor(private readonly hooks: TreeHooks) {
    this.element.addEventListener("click", (event) => this.onClick(event));
    this.element.addEventListener("keydown", (event) => this.onKey(event));
  }

  show(trees: readonly ImageNode[], uses: ShelfSnapshot["uses"], selected: string | null): void {
    const hadFocus = this.element.contains(document.activeElement);
    this.trees = trees;
    this.uses = uses;
    this.selected = selected;
    this.element.replaceChildren(...trees.map((node) => this.build(node, 1)));
    const items = this.items();
    const current = items.find((item) => item.dataset.name === selected) ?? items[0];
    if (current) current.tabIndex = 0;
    if (hadFocus) current?.focus();
  }

  focus(): void {
    this.element.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  }

  private build(node: ImageNode, level: number): HTMLElement {
    const { name, children } = node;
    const uses = this.uses.get(name) ?? [];
    const isOpen = !this.closed.has(name);
    const item = h("div", {
      role: "treeitem",
      tabindex: -1,
      "aria-level": level,
      "aria-selected": String(name === this.selected),
      "aria-label": describe(node, uses),
      "aria-expanded": children.length > 0 ? String(isOpen) : null,
    });
    item.dataset.name = name;
    item.append(buildRow(node, uses));
    if (children.length > 0) {
      const group = h("div", { role: "group", hidden: !isOpen });
      group.append(...children.map((child) => this.build(child, level + 1)));
      item.append(group);
    }
    return item;
  }

  /** Those that can be seen, from the top down. */
  private items(): HTMLElement[] {
    const all = [...this.element.querySelectorAll<HTMLElement>('[role="treeitem"]')];
    return all.filter((item) => item.parentElement?.closest('[aria-expanded="false"]') === null);
  }

  private onClick(event: Event): void {
    const target = event.target as Element;
    const name = target.closest<HTMLElement>('[role="treeitem"]')?.dataset.name;
    if (name === undefined) return;
    if (target.closest(".image-twist")) this.setOpen(name, this.closed.has(name));
    this.choose(name);
  }

  private onKey(event: KeyboardEvent): void {
    const item = (event.target as Element).closest<HTMLElement>('[role="treeitem"]');
    const name = item?.dataset.name;
    if (!item || name === undefined) return;
    const items = this.items();
    const at = items.indexOf(item);
    const expanded = item.getAttribute("aria-expanded");
    const parent = item.parentElement?.closest<HTMLElement>('[role="treeitem"]');
    const to = (target: HTMLElement | null | undefined) => () => target && this.choose(target.dataset.name!);
    const moves: Record<string, () => unknown> = {
      ArrowDown: to(items[at + 1]),
      ArrowUp: to(items[at - 1]),
      Home: to(items[0]),
      End: to(items.at(-1)),
      ArrowRight:
        expanded === "false" ? () => this.setOpen(name, true) : expanded === "true" ? to(items[at + 1]) : () => {},
      ArrowLeft: expanded === "true" ? () => this.setOpen(name, false) : to(parent),
      Enter: () => this.hooks.act(name, "Enter"),
      Delete: () => this.hooks.act(name, "Delete"),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  private setOpen(name: string, open: boolean): void {
    if (open) this.closed.delete(name);
    else this.closed.add(name);
    this.show(this.trees, this.uses, this.selected);
  }

  private choose(name: string): void {
    this.hooks.select(name);
    this.focus();
  }
}

function buildRow({ name, info, problem, children }: ImageNode, uses: readonly ImageUse[]): HTMLElement {
  const tone = problem !== null || info?.parent?.name === null ? "bad" : children.length > 0 ? "snapshot" : "top";
  const mark = h("span", { class: "image-mark", "data-tone": tone, "aria-hidden": "true" });
  const facts = info === null ? "cannot be read" : `${kindOf(info)}, ${formatBytes(info.sizeBytes)}`;
  return h(
    "div",
    { class: "image-row" },
    h("span", { class: "image-twist", "aria-hidden": "true" }),
    mark,
    h("span", { class: "image-name" }, name),
    h("span", { class: "image-facts" }, facts),
    ...uses.map(({ domain, vdev, writes }) =>
      h("span", { class: "image-use", "data-writes": writes }, `${domain} ${vdev}`),
    ),
  );
}

/** An image in one sentence, as a screen reader says it. */
function describe({ name, info, problem, children }: ImageNode, uses: readonly ImageUse[]): string {
  const parts = [name];
  if (info === null) parts.push(`cannot be read: ${problem}`);
  else parts.push(kindOf(info), formatBytes(info.sizeBytes));
  if (info?.parent?.name === null) parts.push(`its parent ${info.parent.told} is missing`);
  if (children.length > 0) parts.push(`${children.length} on it`);
  for (const { domain, vdev, writes } of uses) parts.push(`${writes ? "used" : "read"} by ${domain} as ${vdev}`);
  return parts.join(", ");
}
