import { type Failure, TidingsError } from "./errors.js";

/** The error of a connection that does not come about: where to, what the core knows, and what to check from here. */
export function connectFailed(failure: Failure, to: string): TidingsError {
  const url = new URL(to);
  // None in Node.js, and one without a scheme of the web in some shells.
  const page = globalThis.location as Location | undefined;
  const isSecure = url.protocol === "wss:";
  const checks = [
    globalThis.navigator?.onLine === false && "This device is offline.",
    !isSecure && page?.protocol === "https:" && "A page of https: may connect to wss: only.",
    "Is the server up, and is this its address?",
    !url.pathname.endsWith("/v1/ws") &&
      "Its path is /v1/ws, behind a proxy perhaps with something before it.",
    isSecure ? "If it speaks no TLS, write ws:." : "If it speaks TLS, write wss:.",
    page && `Does it let pages of ${page.origin} in (--allow-origin ${page.origin}, or --dev)?`,
    page && "Does the page's Content-Security-Policy allow it (connect-src)?",
    page?.host === url.host &&
      "Does what serves this page, such as a dev server, pass WebSockets on to it (Vite: server.proxy with ws: true)?",
  ];
  return new TidingsError({
    ...failure,
    message: `No connection to ${to}: ${failure.message}`,
    hint: checks.filter(Boolean).join(" "),
  });
}
