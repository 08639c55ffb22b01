import { create } from "zustand";

/** How long a toast is shown. */
const TOAST_MS = 6_000;

export interface Toast {
  id: number;
  text: string;
  kind: "done" | "fault";
}

/** The toasts that are shown now. */
export const useToasts = create<Toast[]>(() => []);

let ids = 0;

/** Shows a text for a moment in a corner. */
export function toast(text: string, kind: Toast["kind"] = "done"): void {
  const id = ++ids;
  useToasts.setState((shown) => [...shown, { id, text, kind }], true);
  setTimeout(() => useToasts.setState((shown) => shown.filter((one) => one.id !== id), true), TOAST_MS);
}
