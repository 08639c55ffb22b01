// The error of a client that cannot connect.

import { type Failure, TidingsError } from "./errors.js";

/** Returns the error of a client that cannot connect. It has the URL, the core's reason, and the checks that may help. */
export function connectFailed(failure: Failure, to: string): TidingsError {
  const url = new URL(to);
  // Node.js has none. In some shells its scheme is not http: or https:.
  const page = globalThis.location as Location | undefined;
  const isSecure = url.protocol === "wss:";
  const checks = [
    globalThis.navigator?.onLine === false && "This device is offline.",
    !isSecure && page?.protocol === "https:" && "A page of https: may connect to wss: only.",
    "Is the server up, and is this its address?",
    !url.pathname.endsWith("/v1/ws") && "Its path is /v1/ws, behind a proxy perhaps with a prefix.",
    isSecure ? "If it has no TLS, write ws:." : "If it has TLS, write wss:.",
    page && `Does it allow pages of ${page.origin} (--allow-origin ${page.origin}, or --dev)?`,
    page && "Does the page's Content-Security-Policy allow it (connect-src)?",
    page?.host === url.host &&
      "Does the server of this page pass WebSockets on to it (Vite: server.proxy with ws: true)?",
  ];
  return new TidingsError({
    ...failure,
    message: `No connection to ${to}: ${failure.message}`,
    hint: checks.filter(Boolean).join(" "),
  });
}
