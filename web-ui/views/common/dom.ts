/** The two helpers every view uses to make elements. Text is always set as text: nothing from a guest becomes HTML. */

type Value = string | number | boolean | null | undefined | ((event: never) => void);

export type Attributes = Readonly<Record<string, Value>>;

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element. `onclick` and other functions become listeners, true an empty attribute; false, null and undefined
 * leave the attribute out.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** Makes an SVG element, decorative unless it says otherwise. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  if (tag === "svg" && !("role" in attributes)) element.setAttribute("aria-hidden", "true");
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value as EventListener);
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Sets text only when it differs, so that live figures do not disturb a selection or a screen reader. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

let lastId = 0;

/** An id for aria references. */
export function uniqueId(prefix: string): string {
  return `${prefix}-${++lastId}`;
}
