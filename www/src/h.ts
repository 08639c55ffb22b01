/** The content of an element. Strings become text nodes: nothing here parses HTML. */
export type Child = Node | string | number | null | undefined | false;

type Value = string | number | boolean | undefined | ((event: Event) => void);

/**
 * Creates an element. A function is the listener of `onclick` and the like. `true` sets an attribute and `false` leaves it
 * out. Every other value is the text of an attribute.
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

/** Replaces the content of an element. */
export function fill(element: Element, ...children: Child[]): void {
  const nodes = children.filter((child) => child !== null && child !== undefined && child !== false);
  element.replaceChildren(...nodes.map((child) => (child instanceof Node ? child : String(child))));
}

/** Returns the element of `index.html` with this id. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element #${id}`);
  return element;
}

/** Lights an element up for a moment, because its content has changed. */
export function flash(element: Element): void {
  element.classList.remove("flash");
  // Reading a size makes the browser notice that the class was gone, so the animation starts again.
  element.getBoundingClientRect();
  element.classList.add("flash");
}
