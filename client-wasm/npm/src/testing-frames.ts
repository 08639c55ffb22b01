// The frames that the test hub takes from a client, and their check.

import type { UntypedEvent } from "./topics.js";

/** A frame from a client. PROTOCOL.md says what each means. */
export type ClientFrame =
  | { op: "hello"; token?: string; client?: string; domains?: Record<string, string> }
  | { op: "subscribe"; ref: number; topics: string[]; since?: string; more?: boolean }
  | { op: "unsubscribe"; ref: number; topics: string[] }
  | { op: "publish"; ref: number; event: UntypedEvent; topics?: string[]; key?: string; origin?: string }
  | { op: "token"; ref: number; token: string }
  | { op: "ping"; ref: number }
  | { op: "pong" };

const isText = (value: unknown): boolean => typeof value === "string";
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

type Check = [what: string, holds: (value: unknown) => boolean];
const TEXT: Check = ["a text", isText];
const TEXTS: Check = ["a list of texts", isTexts];
const FLAG: Check = ["true or false", (value) => typeof value === "boolean"];
const REF: Check = [
  "an integer from 0 to 2^53-1",
  (value) => Number.isSafeInteger(value) && Number(value) >= 0,
];
const TEXTS_BY_NAME: Check = [
  "an object of texts",
  (value) => isObject(value) && Object.values(value).every(isText),
];
const EVENT: Check = [
  "an event: { domain, event, payload }",
  (value) => isObject(value) && isText(value.domain) && isText(value.event) && "payload" in value,
];

/** The members of each frame. A name that ends with `?` may be absent. */
const FRAMES: Record<string, Record<string, Check>> = {
  hello: { "token?": TEXT, "client?": TEXT, "domains?": TEXTS_BY_NAME },
  subscribe: { ref: REF, topics: TEXTS, "since?": TEXT, "more?": FLAG },
  unsubscribe: { ref: REF, topics: TEXTS },
  publish: { ref: REF, event: EVENT, "topics?": TEXTS, "key?": TEXT, "origin?": TEXT },
  token: { ref: REF, token: TEXT },
  ping: { ref: REF },
  pong: {},
};

/** Why a message is no frame that the hub knows. */
export interface Refused {
  code: "invalid_frame" | "unknown_op";
  message: string;
  ref: number | undefined;
}

/** Reads a message. */
export function readFrame(text: string): ClientFrame | Refused {
  const invalid = (message: string): Refused => ({ code: "invalid_frame", message, ref: undefined });
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch (error) {
    return invalid(`a frame is JSON: ${error}`);
  }
  if (!isObject(frame) || !isText(frame.op)) return invalid("a frame is an object with the member `op`");
  const op = String(frame.op);
  const members = Object.hasOwn(FRAMES, op) ? FRAMES[op] : undefined;
  if (!members) {
    const message = `\`${op}\` is no operation of the test hub: it knows ${Object.keys(FRAMES).join(", ")}`;
    return { code: "unknown_op", message, ref: REF[1](frame.ref) ? Number(frame.ref) : undefined };
  }
  for (const [name, [what, holds]] of Object.entries(members)) {
    const key = name.replace("?", "");
    const value = frame[key];
    const isAbsent = value === undefined || (value === null && key !== name);
    if (isAbsent ? key === name : !holds(value)) return invalid(`\`${key}\` of ${op}: expected ${what}`);
  }
  return frame as unknown as ClientFrame;
}

const NAME = /^[\w.~-]{1,64}$/;

/** Why no server takes an event with these names. `undefined` if servers do. */
export function nameFault({ domain, event }: UntypedEvent): string | undefined {
  const [wrong] = Object.entries({ domain, event }).find(([, name]) => !NAME.test(name)) ?? [];
  return wrong && `\`${wrong}\` has 1 to 64 characters of A-Z a-z 0-9 _ . ~ -`;
}

/** Bytes of a topic. A longer one is no topic. Its characters have one byte each. */
const MAX_TOPIC_BYTES = 255;

const SEGMENTS = /^[\w.~-]+(?::[\w.~-]+)*$/;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The server's spelling of a topic, in which UUIDs are in lower case. `undefined` if the text is no topic. */
export function topicName(text: string): string | undefined {
  if (text.length > MAX_TOPIC_BYTES || !SEGMENTS.test(text)) return undefined;
  return text.replace(/[^:]+/g, (segment) => (UUID.test(segment) ? segment.toLowerCase() : segment));
}
