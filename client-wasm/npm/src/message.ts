// Reads the messages of the server.

import type { EventFrame } from "./core.js";

/** Parses a message. A message that is no JSON stays as it is: the core says what is wrong. */
export function readMessage(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/** Whether a frame is an event as usual. The core reads any other frame member by member, and says what is wrong. */
export function isEvent(frame: unknown): frame is EventFrame {
  const { op, position, key, at, origin, topics, event } = (frame ?? {}) as Partial<EventFrame> & {
    op?: unknown;
  };
  return (
    op === "event" &&
    isText(position) &&
    isText(key) &&
    Number.isSafeInteger(at) &&
    (at as number) >= 0 &&
    (origin == null || isText(origin)) &&
    Array.isArray(topics) &&
    topics.every(isText) &&
    isText(event?.domain) &&
    isText(event.event) &&
    event.payload !== undefined
  );
}

const isText = (value: unknown): value is string => typeof value === "string";
