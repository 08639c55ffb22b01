/** What an element may hold. Strings become text nodes: nothing here ever parses HTML. */
export type Child = Node | string | number | null | undefined | false;

type Value = string | number | boolean | undefined | ((event: Event) => void);

/**
 * Makes an element. `onclick` and the like take listeners, `true` and `false` set and leave out an attribute, and
 * every other value is an attribute's text.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== undefined) element.setAttribute(name, String(value));
  }
  fill(element, ...children);
  return element;
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: Child[]): void {
  const nodes = children.filter((child) => child !== null && child !== undefined && child !== false);
  element.replaceChildren(...nodes.map((child) => (child instanceof Node ? child : String(child))));
}

/** The element of the page with this id, which `index.html` has. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element #${id}`);
  return element;
}

/** Lights an element up for a moment, because what it shows has just changed. */
export function flash(element: Element): void {
  element.classList.remove("flash");
  // Reading a measure makes the browser notice that the class was gone, so the animation starts again.
  element.getBoundingClientRect();
  element.classList.add("flash");
}
