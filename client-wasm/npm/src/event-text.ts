import { textOf } from "./arguments.js";
import { TidingsError } from "./errors.js";

/** The JSON text of an event that somebody publishes. What the members hold is for the core to judge. */
export function eventText(event: unknown): string {
  const shape = "An event is an object, { domain, event, payload }";
  const invalid = (message: string, cause?: unknown): TidingsError =>
    new TidingsError({ code: "invalid_event", message }, { cause });
  if (typeof event !== "object" || event === null || Array.isArray(event))
    throw invalid(
      `${shape}, and this is ${Array.isArray(event) ? "a list" : event === null ? null : typeof event}.`,
    );
  for (const name of ["domain", "event", "payload"]) {
    const value = (event as Record<string, unknown>)[name];
    if (value === undefined) throw invalid(`${shape}, and this one has no \`${name}\`.`);
    if (name !== "payload" && typeof value !== "string")
      throw invalid(`An event's \`${name}\` is a text, and this one is ${typeof value}.`);
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(event, sayable);
  } catch (cause) {
    throw invalid(`The event can't be written as JSON: ${textOf(cause)}`, cause);
  }
  if (text === undefined)
    throw invalid("The event can't be written as JSON: its toJSON() returns undefined.");
  return text;
}

/** Refuses what JSON would write as something else: as `null`, as an object without members, or not at all. */
function sayable(this: unknown, key: string, value: unknown): unknown {
  let what: unknown;
  if ((typeof value === "number" && !Number.isFinite(value)) || (value === undefined && Array.isArray(this)))
    what = value;
  else if (value instanceof Map || value instanceof Set) what = `a ${value.constructor.name}`;
  else if (typeof value === "bigint") what = "a BigInt";
  else if (typeof value === "function" || typeof value === "symbol") what = `a ${typeof value}`;
  else return value;
  throw new TypeError(`\`${key}\` is ${what}`);
}
