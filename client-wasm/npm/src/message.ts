// Reads the messages of the server.

import type { Core, EventFrame } from "./core.js";

/**
 * Parses a message and hands it to the core. The core needs little of an event: its position, domain, name and topics. They
 * go there as one text, its head, because each text that crosses the boundary costs as much as the parse of a short frame.
 *
 * An event that is not as usual has no head. The core then reads it member by member, and says what is wrong.
 */
export function readMessage(data: string, core: Core, connection: number): void {
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    // The core says what is wrong.
    core.message(connection, data, undefined, undefined);
    return;
  }
  const head = isEvent(frame) ? headOf(frame) : undefined;
  const payload = head === undefined ? undefined : (frame as EventFrame).event.payload;
  core.message(connection, frame, head, payload);
}

function isEvent(frame: unknown): frame is EventFrame {
  return (frame as { op?: unknown } | null)?.op === "event";
}

function headOf({ position, key, at, origin, topics, event }: EventFrame): string | undefined {
  const isUsual =
    isText(position) &&
    isText(key) &&
    Number.isSafeInteger(at) &&
    at >= 0 &&
    (origin == null || isText(origin)) &&
    Array.isArray(topics) &&
    topics.every(isText) &&
    isText(event?.domain) &&
    isText(event.event) &&
    event.payload !== undefined;
  // A line break in a text would shift the lines, so the core compares their number.
  return isUsual
    ? `${topics.length}\n${position}\n${event.domain}\n${event.event}\n${topics.join("\n")}`
    : undefined;
}

const isText = (value: unknown): value is string => typeof value === "string";
