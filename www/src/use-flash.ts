import { useEffect, useRef } from "react";

/**
 * Returns a ref. Its element lights up for a moment when `value` changes. Without a value, the text of the element counts.
 * With `isNew` it lights up when it appears, too.
 */
export function useFlash<E extends HTMLElement>(value?: unknown, isNew = false) {
  const ref = useRef<E>(null);
  const before = useRef<string | null | undefined>(isNew ? null : undefined);
  useEffect(() => {
    const now = value === undefined ? (ref.current?.textContent ?? null) : JSON.stringify(value);
    if (before.current !== undefined && before.current !== now) flash(ref.current);
    before.current = now;
  });
  return ref;
}

function flash(element: HTMLElement | null): void {
  element?.classList.remove("flash");
  // Reading a size makes the browser notice that the class was gone, so the animation starts again.
  element?.getBoundingClientRect();
  element?.classList.add("flash");
}
