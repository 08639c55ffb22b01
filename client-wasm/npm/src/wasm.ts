// Fetches and compiles a core.

import { TidingsError } from "./client.js";

const FIND =
  "Is the file served there? `vite dev` needs optimizeDeps: { exclude: ['tidings'] }. The entry `tidings` needs no such file.";

/** Statuses below 500 after which another attempt may succeed. */
const TEMPORARY = [408, 425, 429];

/** Fetches and compiles a core. Throws `wasm_unavailable`. */
export async function compile(url: string | URL): Promise<WebAssembly.Module> {
  const failure = (what: string, hint: string, retryable: boolean, cause?: unknown): TidingsError =>
    new TidingsError(
      {
        code: "wasm_unavailable",
        // A data: URL holds the whole core, so only its beginning is shown.
        message: `The core could not be loaded from ${String(url).slice(0, 255)}: ${what}.`,
        hint,
        retryable,
      },
      { cause },
    );
  let response: Response;
  let bytes: ArrayBuffer;
  try {
    response = await fetch(url);
    bytes = await response.arrayBuffer();
  } catch (cause) {
    const isFile = String(url).startsWith("file:");
    const hint = isFile
      ? "Use the entry `tidings` where files can't be fetched."
      : "Is this device online, and does connect-src allow it?";
    throw failure(`${cause}`, hint, !isFile, cause);
  }
  const { ok, status, headers } = response;
  if (!ok) throw failure(`the answer is ${status}`, FIND, status >= 500 || TEMPORARY.includes(status));
  // Every WebAssembly module begins with these bytes. The page that some servers send for a missing file does not.
  if (new DataView(bytes).byteLength < 4 || new DataView(bytes).getUint32(0) !== 0x0061736d)
    throw failure(`the file is ${headers.get("content-type")} and not WebAssembly`, FIND, false);
  return WebAssembly.compile(bytes);
}
