// The functions that the core calls.

import { connectFailed } from "./connect-failed.js";
import type { Driver, Host } from "./core.js";
import type { Publishes } from "./publishing.js";
import type { Subscriptions } from "./subscription.js";
import type { Tokens } from "./token.js";
import type { Domain } from "./topics.js";
import { unknownDomain } from "./unknown-domain.js";
import type { WatchHandle } from "./watch.js";

/** The parts of a client that the core calls. */
export interface HostParts {
  subscriptions: Subscriptions;
  publishes: Publishes;
  tokens: Tokens;
  /** The domains that the user named. */
  domains: readonly (Domain | string)[] | undefined;
  /** The core has closed. */
  closed(): void;
}

/** Makes the functions that the core calls. Each calls the part of the client that it is for. */
export function hostOf(parts: HostParts, url: string): Omit<Host, keyof Driver> {
  const { subscriptions, publishes, tokens, domains } = parts;
  const { state } = subscriptions;
  return {
    token: (connection) => void tokens.ask(connection),
    status: (status) => (status === "closed" ? parts.closed() : state.setStatus(status)),
    ready: (id) => subscriptions.of(id)?.isReady(),
    resumed: (id) => subscriptions.of(id)?.resumed(),
    load: (id, load) => void (subscriptions.of(id) as WatchHandle | undefined)?.view.run(load),
    event: (id, frame, decoded, isShared) => subscriptions.of(id)?.deliver(frame, decoded, isShared),
    sync: (id, sync) => subscriptions.of(id)?.sync(sync),
    malformed: (id, failure) => subscriptions.of(id)?.malformed(failure),
    // A failure without a topic is one of the whole client, which the core tells by `error` too.
    failed: (id, failure) =>
      subscriptions.of(id)?.failed(tokens.explain(failure), failure.topic === undefined),
    published: (id, answer) => publishes.of(id)?.settle(undefined, answer),
    publishFailed: (id, failure) => publishes.of(id)?.settle(tokens.explain(failure)),
    error: (failure) => {
      const isUnreachable = failure.code === "connect_failed";
      state.connectionError(isUnreachable ? connectFailed(failure, url) : tokens.explain(failure));
    },
    matches(object, name, pattern, has) {
      const value = object[name];
      return typeof value === "string" && pattern.test(value) === has;
    },
    unknownDomain: (domain, nearest) => unknownDomain(domain, nearest, domains),
    otherDomain: (domain) =>
      console.info(
        `tidings: the server has another form of the domain \`${domain}\`. Generate its TypeScript again and build the page, or deploy the newer server.`,
      ),
  };
}
