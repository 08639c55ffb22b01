import { TidingsError } from "./errors.js";

/** The absolute `ws:` or `wss:` form of a URL. */
export function socketUrl(given: string | URL = "/v1/ws"): string {
  let why = "it is not absolute, and there is no page to which it could be relative";
  try {
    const url = new URL(given, globalThis.location?.href);
    url.protocol = url.protocol.replace(/^http/, "ws");
    url.hash = "";
    if (/^wss?:$/.test(url.protocol)) return url.href;
    why = `it begins with ${url.protocol}`;
  } catch {
    // Said below.
  }
  throw new TidingsError({
    code: "invalid_url",
    message: `\`url\` (${given}) is not a WebSocket's: ${why}.`,
  });
}
