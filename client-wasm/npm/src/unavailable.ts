import { textOf } from "./arguments.js";
import { type Failure, TidingsError } from "./errors.js";

const CODE = "wasm_unavailable";

declare const ServiceWorkerGlobalScope: (new () => object) | undefined;

/** What causes of this text mean: the message, the hint, and whether another attempt may help. */
const MEANINGS: [RegExp, string, string, boolean?][] = [
  [
    /content.security.policy|unsafe-eval|\bCSP\b|by embedder/i,
    "This page's Content-Security-Policy does not allow WebAssembly.",
    "Add 'wasm-unsafe-eval' to its script-src.",
  ],
  [
    /dynamically imported module|importing a module script|chunk/i,
    "The module with the core was not loaded.",
    "Is its file served, and does script-src allow it? After a new release the page has to be loaded again.",
    true,
  ],
  [
    /cannot find (module|package)/i,
    "The module with the core is missing.",
    "Does the bundler take in what this package imports later, by import()?",
  ],
  [
    /CompileError|LinkError/,
    "The core is damaged, or does not belong to its JavaScript.",
    "Is the file changed on its way, or cached from another version?",
  ],
];

/** Why there is no core. */
export function unavailable(cause: unknown): TidingsError {
  if (cause instanceof TidingsError) return cause;
  const failure = (message: string, hint?: string, retryable = false): TidingsError =>
    new TidingsError(
      { code: CODE, message, retryable, ...(hint === undefined ? {} : { hint }) } satisfies Failure,
      { cause },
    );
  const what = textOf(cause);
  if (typeof WebAssembly === "undefined")
    return failure(
      "This environment has no WebAssembly.",
      "Is it switched off, as in Apple's Lockdown Mode?",
    );
  if (typeof ServiceWorkerGlobalScope !== "undefined" && globalThis instanceof ServiceWorkerGlobalScope)
    return failure(
      `The core was not loaded in this service worker: ${what}`,
      "Service workers have no import(): let the bundler put all into one file.",
    );
  const name = textOf((cause as Error | undefined)?.name);
  const found = MEANINGS.find(([text]) => text.test(`${name} ${what}`));
  if (!found) return failure(`The core was not loaded: ${what}`);
  const [, message, hint, retryable] = found;
  return failure(`${message} (${what})`, hint, retryable);
}
