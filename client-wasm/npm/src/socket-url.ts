import { TidingsError } from "./errors.js";

/** The absolute `ws:` or `wss:` form of a URL. */
export function socketUrl(given: string | URL = "/v1/ws"): string {
  try {
    const url = new URL(given, globalThis.location?.href);
    url.protocol = url.protocol.replace(/^http/, "ws");
    url.hash = "";
    if (/^wss?:$/.test(url.protocol)) return url.href;
  } catch {
    // Said below.
  }
  throw new TidingsError({ code: "invalid_url", message: `\`url\` is no URL of a WebSocket: ${given}` });
}
