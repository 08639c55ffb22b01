import { Problem } from "./api.ts";
import { type Heard, subscribe } from "./tidings.ts";

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 8_000;

/** A part of the data that is shown, and how it is kept equal to what is stored. */
export interface Slice<T> {
  /** Whatever may change the slice appears on these. */
  topics: readonly string[];
  load: (signal: AbortSignal) => Promise<T>;
  onData: (data: T) => void;
  /** A load failed: the old data stays. `null` takes it back. */
  onProblem: (problem: Problem | null) => void;
  /** Whether an event of these topics concerns the slice; all do, when left out. */
  concerns?: (event: Heard) => boolean;
  signal: AbortSignal;
}

/**
 * Subscribes, waits until that is in force, loads, and loads again for each event and each `sync`: one load at a
 * time, and however much happens during a load causes exactly one more. A failed load is tried again, ever more
 * rarely, unless trying again is pointless.
 */
export async function live<T>({
  topics,
  load,
  onData,
  onProblem,
  concerns,
  signal,
}: Slice<T>): Promise<void> {
  let loading = false;
  let again = false;
  let failures = 0;
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
      if (!(error instanceof Problem)) throw error;
      onProblem(error);
      if (error.retryable) retryLater();
      return;
    }
    if (signal.aborted) return;
    failures = 0;
    onProblem(null);
    onData(data);
  };

  const retryLater = (): void => {
    const most = Math.min(FIRST_RETRY_MS * 2 ** failures++, LAST_RETRY_MS);
    clearTimeout(retry);
    retry = setTimeout(reload, most * (0.5 + Math.random() / 2));
  };

  const subscriptions = topics.map((topic) =>
    subscribe(topic, {
      onEvent: (event) => {
        if (!concerns || concerns(event)) void reload();
      },
      onSync: () => void reload(),
      onProblem,
      signal,
    }),
  );
  await Promise.all(subscriptions);
  if (!signal.aborted) await reload();
}
