// Checks of the arguments of the package's calls.

import { TidingsError } from "./errors.js";

/** Throws a `TypeError` that names the call unless each of these arguments is of this type. `null` is no object. */
export function expect(type: string, call: string, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values))
    if (typeof value !== type || value === null) throw mustBe(call, name, withArticle(type), typeName(value));
}

/** The same for arguments that may be left out. */
export function expectOptional(type: string, call: string, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined) expect(type, call, { [name]: value });
}

/** Checks the options that several calls have: callbacks and `signal`. */
export function expectOptions(call: string, options: unknown): void {
  expect("object", call, { options });
  const { signal, concerns, onError, onNotice, onResume, onSync } = options as Record<string, unknown>;
  expectOptional("function", call, { concerns, onError, onNotice, onResume, onSync });
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.throwIfAborted !== "function")
    throw mustBe(call, "signal", "an AbortSignal", describe(signal));
}

/** Checks `minInterval`, in milliseconds. */
export function checkPause(ms: unknown): void {
  if (ms === undefined || (typeof ms === "number" && ms >= 0 && Number.isFinite(ms))) return;
  throw mustBe("watch(topics, options)", "minInterval", "a number of milliseconds", describe(ms));
}

/** Checks `buffer`, a number of events. */
export function checkBuffer(buffer: unknown): void {
  if (buffer === undefined || (Number.isInteger(buffer) && (buffer as number) >= 1)) return;
  throw mustBe("events(topics, { buffer })", "buffer", "a whole number, 1 or more", describe(buffer));
}

/** Returns the topics of a subscription, which are one topic or a list that is not empty. */
export function list(topics: unknown): readonly string[] {
  const names = isList(topics) ? Array.from(topics, checked) : [checked(topics)];
  if (!names.length) throw fault("The list of topics is empty: name at least one.");
  return names;
}

/** Returns the topics of a publish, which are a list. */
export function named(topics: unknown): readonly string[] {
  if (isList(topics)) return Array.from(topics, checked);
  throw fault(`\`topics\` must be a list of strings, but is ${describe(topics)}.`);
}

/** A string is iterable too, but no list. */
const isList = (topics: unknown): topics is Iterable<unknown> =>
  typeof topics === "object" && topics !== null && Symbol.iterator in topics;

/** A segment that a template made of a missing value. */
const MISSING = /(?:^|:)(undefined|null|NaN|\[object [^:]*\])(?=:|$)/;

/** Refuses a topic that nobody can mean. The core checks its grammar. */
function checked(topic: unknown): string {
  if (typeof topic !== "string")
    throw fault(`A topic must be a string such as "staff:people", but is ${describe(topic)}.`);
  const missing = MISSING.exec(topic)?.[1];
  if (missing)
    throw fault(`\`${topic}\` was built with \`${missing}\`: subscribe when that value is known.`, topic);
  return topic;
}

const fault = (message: string, topic?: string) =>
  new TidingsError({ code: "invalid_topic", message, topic });

const mustBe = (call: string, name: string, what: string, is: string): TypeError =>
  new TypeError(`${call}: \`${name}\` must be ${what}, but is ${is}`);

/** The type of a value, for a sentence. */
export const typeName = (value: unknown): string =>
  value == null ? String(value) : withArticle(typeof value);

const withArticle = (noun: string): string => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;

/** A value, for a sentence. */
export function describe(value: unknown): string {
  return typeof value === "object" && value !== null
    ? Object.prototype.toString.call(value)
    : typeof value === "function"
      ? "a function"
      : String(value);
}

/** The text of a value that was thrown. Some have none: a symbol, an object without a prototype. */
export function textOf(cause: unknown): string {
  try {
    return String(cause);
  } catch {
    try {
      return describe(cause);
    } catch {
      return "a value without a text";
    }
  }
}
