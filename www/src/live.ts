import type { EventOf, KnownTopic } from "tidings";
import { Problem } from "./api.ts";
import { subscribe } from "./tidings.ts";

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 8_000;

/** A part of the data that is shown, and how it is kept equal to what is stored. */
export interface Slice<T, P extends KnownTopic> {
  /** Whatever may change the slice appears on these. */
  topics: readonly P[];
  load: (signal: AbortSignal) => Promise<T>;
  onData: (data: T) => void;
  /** A load failed: the old data stays. `null` takes it back. */
  onProblem: (problem: Problem | null) => void;
  /** Whether an event of these topics concerns the slice; all do, when left out. */
  concerns?: (event: EventOf<P>) => boolean;
  signal: AbortSignal;
}

/**
 * Subscribes, waits until that is in force, loads, and loads again for each event and each `sync`: one load at a
 * time, and however much happens during a load causes exactly one more. A failed load is tried again, ever more
 * rarely, unless trying again is pointless.
 */
export async function live<T, P extends KnownTopic>(slice: Slice<T, P>): Promise<void> {
  const { topics, load, onData, onProblem, concerns, signal } = slice;
  let loading = false;
  let again = false;
  let failures = 0;
  /** Why the slice may grow stale without anybody noticing: said as long as it is so. */
  let deaf: Problem | null = null;
  let retry: number | undefined;
  signal.addEventListener("abort", () => clearTimeout(retry));

  const reload = async (): Promise<void> => {
    again = true;
    if (loading) return;
    clearTimeout(retry);
    loading = true;
    try {
      while (again && !signal.aborted) {
        again = false;
        await loadOnce();
      }
    } finally {
      loading = false;
    }
  };

  const loadOnce = async (): Promise<void> => {
    let data: T;
    try {
      data = await load(signal);
    } catch (error) {
      if (signal.aborted) return;
      const problem = error instanceof Problem ? error : new Problem(0, "failed", `Not loaded: ${error}`);
      onProblem(problem);
      if (problem.retryable) retryLater();
      return;
    }
    if (signal.aborted) return;
    failures = 0;
    onProblem(deaf);
    onData(data);
  };

  const retryLater = (): void => {
    const most = Math.min(FIRST_RETRY_MS * 2 ** failures++, LAST_RETRY_MS);
    clearTimeout(retry);
    retry = setTimeout(reload, most * (0.5 + Math.random() / 2));
  };

  try {
    await subscribe(topics, {
      onEvent: (event) => {
        if (!concerns || concerns(event)) void reload();
      },
      onSync: () => void reload(),
      onError: (error) => {
        // An event that cannot be read is an event all the same; anything else means that none may come.
        if (error.code !== "invalid_event")
          deaf = new Problem(400, error.code, `No live data: ${error.message}`);
        void reload();
      },
      signal,
    });
  } catch {
    // Refused, of which `onError` heard, or not wanted any more.
    if (signal.aborted) return;
  }
  await reload();
}
