// The error of a core that could not be loaded.

import { textOf } from "./arguments.js";
import { isFailure } from "./core.js";
import { TidingsError } from "./errors.js";

declare const ServiceWorkerGlobalScope: (new () => object) | undefined;

/** The message and the hint of a module that was not loaded. */
const UNLOADED: [string, string] = [
  "The module with the core was not loaded.",
  "Is its file served, and does script-src allow it? In Firefox, and after a release, load the page again.",
];

/** Patterns of a cause, each with its message, its hint, and whether another attempt may help. */
const MEANINGS: [RegExp, string, string, boolean?][] = [
  [
    /content.security.policy|unsafe-eval|\bCSP\b|by embedder/i,
    "This page's Content-Security-Policy does not allow WebAssembly.",
    "Add 'wasm-unsafe-eval' to its script-src.",
  ],
  [
    // Firefox's words. As the HTML standard says, a module that failed once fails until the page is loaded again.
    /error loading dynamically/,
    ...UNLOADED,
  ],
  [/dynamically imported|importing a module|chunk/i, ...UNLOADED, true],
  [
    /cannot find (module|package)/i,
    "The module with the core is missing.",
    "Does the bundler include the modules that this package loads by import()?",
  ],
  [
    /CompileError|LinkError/,
    "The core is damaged, or of another version than its JavaScript.",
    "Does a proxy change the file, or a cache keep an old one?",
  ],
];

/** Returns the error of a core that could not be loaded, for the value that was thrown. */
export function unavailable(cause: unknown): TidingsError {
  if (cause instanceof TidingsError) return cause;
  // The core refuses a domain.
  if (isFailure(cause)) return new TidingsError(cause);
  const failure = (message: string, hint?: string, retryable = false): TidingsError =>
    new TidingsError({ code: "wasm_unavailable", message, hint, retryable }, { cause });
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
