/**
 * A menu button after the ARIA authoring practices: Enter, Space or Down opens, arrows, Home and End move, Escape and
 * Tab close, focus returns to the button. The menu is fixed to the window so that no scrolling list cuts it off.
 */
import { h, uniqueId } from "./dom.js";

export interface MenuItem {
  readonly label: string;
  readonly tone?: "danger";
  readonly separated?: boolean;
  run(): void;
}

/** Makes `button` open a menu of what `items` gives at that moment. */
export function attachMenu(button: HTMLButtonElement, items: () => readonly MenuItem[]): void {
  let menu: HTMLElement | null = null;
  button.setAttribute("aria-haspopup", "menu");
  button.setAttribute("aria-expanded", "false");

  const close = (refocus: boolean): void => {
    if (!menu) return;
    menu.remove();
    menu = null;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", onPointerDown, true);
    window.removeEventListener("resize", onResize);
    if (refocus) button.focus();
  };
  const onResize = (): void => close(false);
  const onPointerDown = (event: Event): void => {
    const target = event.target as Node;
    if (!menu?.contains(target) && !button.contains(target)) close(false);
  };
  const open = (focusLast: boolean): void => {
    menu = buildMenu(button, items(), close);
    button.after(menu);
    place(menu, button);
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", onPointerDown, true);
    window.addEventListener("resize", onResize);
    const entries = entriesOf(menu);
    entries[focusLast ? entries.length - 1 : 0]?.focus();
  };
  button.addEventListener("click", () => (menu ? close(true) : open(false)));
  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    if (!menu) open(event.key === "ArrowUp");
  });
}

function buildMenu(
  button: HTMLButtonElement,
  items: readonly MenuItem[],
  close: (refocus: boolean) => void,
): HTMLElement {
  const menu = h("div", { class: "menu", role: "menu", id: uniqueId("menu"), "aria-label": button.ariaLabel ?? "" });
  for (const item of items) {
    if (item.separated) menu.append(h("div", { role: "separator" }));
    const choose = (): void => {
      close(true);
      item.run();
    };
    menu.append(
      h("button", { type: "button", role: "menuitem", tabindex: -1, class: item.tone, onclick: choose }, item.label),
    );
  }
  menu.addEventListener("keydown", (event) => moveInMenu(event, entriesOf(menu), close));
  return menu;
}

function entriesOf(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>('[role="menuitem"]')];
}

function moveInMenu(event: KeyboardEvent, entries: HTMLElement[], close: (refocus: boolean) => void): void {
  const at = entries.indexOf(document.activeElement as HTMLElement);
  const targets: Record<string, number> = {
    ArrowDown: (at + 1) % entries.length,
    ArrowUp: (at - 1 + entries.length) % entries.length,
    Home: 0,
    End: entries.length - 1,
  };
  const target = targets[event.key];
  if (target !== undefined) {
    event.preventDefault();
    entries[target]?.focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    close(true);
  }
}

const GAP_PX = 4;

function place(menu: HTMLElement, button: HTMLElement): void {
  const anchor = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const below = anchor.bottom + GAP_PX;
  const fits = below + height <= window.innerHeight - GAP_PX;
  const top = fits ? below : Math.max(GAP_PX, anchor.top - GAP_PX - height);
  menu.style.top = `${top}px`;
  menu.style.left = `${Math.max(GAP_PX, Math.min(anchor.right - width, window.innerWidth - width - GAP_PX))}px`;
}
