/** `window` or `document`. Node.js and workers lack one or both. */
type Target = Partial<Pick<EventTarget, "addEventListener">> | undefined;

/** Tells when the page wakes (`true`) and when it goes to sleep (`false`), until the signal is aborted. */
export function watchPage(tell: (isAwake: boolean) => void, signal: AbortSignal): void {
  const hear = ({ type, persisted }: Event & { persisted?: boolean }) => {
    const isHidden = type === "visibilitychange" && document.visibilityState === "hidden";
    if (type === "freeze" || (type === "pagehide" && persisted)) tell(false);
    else if (type !== "pagehide" && !isHidden) tell(true);
  };
  const listen = (target: Target, types: string) => {
    for (const type of types.split(" ")) target?.addEventListener?.(type, hear, { signal });
  };
  listen(globalThis as Target, "online pageshow pagehide");
  listen(globalThis.document, "visibilitychange freeze resume");
}
