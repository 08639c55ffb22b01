// The JSON text of an event to publish.

import { textOf, typeName } from "./arguments.js";
import { TidingsError } from "./errors.js";

/** Returns the JSON text of an event to publish. The core checks the values of its members. */
export function eventText(event: unknown): string {
  const shape = "An event must be an object, { domain, event, payload }, but";
  if (typeof event !== "object" || event === null || Array.isArray(event))
    throw invalid(`${shape} is ${Array.isArray(event) ? "an array" : typeName(event)}.`);
  for (const name of ["domain", "event", "payload"]) {
    const value = (event as Record<string, unknown>)[name];
    if (value === undefined) throw invalid(`${shape} has no \`${name}\`.`);
    if (name !== "payload" && typeof value !== "string")
      throw invalid(`\`${name}\` of an event must be a string, but is ${typeName(value)}.`);
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

const invalid = (message: string, cause?: unknown): TidingsError =>
  new TidingsError({ code: "invalid_event", message }, { cause });

/** Refuses a value that JSON would change: to `null`, to an object without members, or to nothing. */
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
