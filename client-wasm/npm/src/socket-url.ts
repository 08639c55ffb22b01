// The URL of the WebSocket.

import { TidingsError } from "./errors.js";

/** Returns the absolute `ws:` or `wss:` form of a URL. */
export function socketUrl(given: string | URL = "/v1/ws"): string {
  let why = "it is not absolute, and there is no page that it could be relative to";
  try {
    const url = new URL(given, globalThis.location?.href);
    url.protocol = url.protocol.replace(/^http/, "ws");
    url.hash = "";
    if (/^wss?:$/.test(url.protocol)) return url.href;
    why = `it begins with ${url.protocol}`;
  } catch {
    // The error is thrown below.
  }
  throw new TidingsError({
    code: "invalid_url",
    message: `\`url\` (${given}) is not the address of a WebSocket: ${why}.`,
  });
}
