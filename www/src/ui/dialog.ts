import { Problem } from "../api.ts";
import { byId, h } from "../h.ts";

const TOAST_MS = 6_000;

/** Asks before an action that cannot be undone. */
export function confirmed(question: string, action: string): Promise<boolean> {
  const { promise, resolve } = withResolvers<boolean>();
  const dialog = h(
    "dialog",
    { "aria-labelledby": "question", "data-testid": "confirm" },
    h(
      "form",
      { method: "dialog" },
      h("p", { id: "question" }, question),
      h(
        "div",
        { class: "actions" },
        h("button", { value: "no", class: "quiet" }, "Cancel"),
        h("button", { value: "yes", class: "danger", "data-testid": "confirm-yes" }, action),
      ),
    ),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue === "yes");
  });
  document.body.append(dialog);
  dialog.showModal();
  return promise;
}

/** Shows a text for a moment in a corner, and tells it to screen readers. */
export function toast(text: string, kind: "done" | "fault" = "done"): void {
  const element = h("p", { class: `toast ${kind}` }, text);
  byId("toasts").append(element);
  setTimeout(() => element.remove(), TOAST_MS);
}

/** Runs the action of a button. The button is disabled meanwhile, and an error becomes a toast. */
export async function attempt(
  button: HTMLButtonElement | HTMLSelectElement | HTMLInputElement,
  run: () => Promise<unknown>,
) {
  button.disabled = true;
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message, "fault");
  } finally {
    button.disabled = false;
  }
}

/** `Promise.withResolvers`, which not every browser has yet. */
function withResolvers<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
