import { existsSync } from "node:fs";
import * as inline from "tidings";
import { createTestHub } from "tidings/testing";
import * as url from "tidings/url";

/** The entries are found by name, need no browser to be imported, and share their class of errors. */
export function allEntries(): void {
  const clients = [
    inline.createClient({ url: "/v1/ws" }),
    url.createClient(),
    createTestHub().createClient(),
  ];
  if (clients.some(({ status }) => status !== "idle")) throw new Error("a client is not idle");
  if (inline.TidingsError !== url.TidingsError) throw new Error("there are two classes of errors");
  if (!existsSync(new URL(import.meta.resolve("tidings/core.wasm")))) throw new Error("there is no core");
}
