// The entry `tidings/testing`: the real client on a hub within the process, for tests.

import { TestHub } from "./testing-hub.js";
import type { TestHubOptions } from "./testing-rules.js";

export type { ClientFrame } from "./testing-frames.js";
export type { EmitOptions, TestHub } from "./testing-hub.js";
export type { PublishedEvent, TestHubOptions, TokenCode, TopicCode } from "./testing-rules.js";

/**
 * Creates a hub for a test. Its clients are real clients; there is no network and no server.
 *
 * ```ts
 * import { staff } from "tidings/domains";
 * import { createTestHub } from "tidings/testing";
 *
 * const hub = createTestHub();
 * const client = hub.createClient({ domains: [staff] });
 * const heard: string[] = [];
 * client.subscribe(staff.topics.people, (event) => heard.push(event.event));
 * await hub.settled();
 * hub.emit(staff.topics.people, { domain: "staff", event: "person_updated", payload: { uuid: id } });
 * await hub.settled();
 * console.assert(heard.length === 1);
 * hub.close();
 * ```
 */
export function createTestHub(options: TestHubOptions = {}): TestHub {
  return new TestHub(options);
}
