import { TidingsError } from "./errors.js";

/** Refuses arguments that are not of this type, in the call that has them. */
export function expect(type: string, call: string, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values))
    if (typeof value !== type || value === null)
      throw new TypeError(`${call}: \`${name}\` is ${value === null ? value : typeof value} and no ${type}`);
}

const CALLBACKS = ["concerns", "onError", "onNotice", "onResume", "onSync"];

/** The same for the options of a call. */
export function expectOptions(call: string, options: unknown): void {
  expect("object", call, { options });
  const { signal, ...given } = options as Record<string, unknown>;
  for (const name of CALLBACKS)
    if (given[name] !== undefined) expect("function", call, { [name]: given[name] });
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.throwIfAborted !== "function")
    throw new TypeError(`${call}: \`signal\` is ${describe(signal)} and no AbortSignal`);
}

/** What a template makes of a value that was not there. */
const MISSING = /(?:^|:)(undefined|null|NaN|\[object [^:]*\])(?=:|$)/;

const fault = (message: string, topic?: string) =>
  new TidingsError({ code: "invalid_topic", message, ...(topic !== undefined && { topic }) });

/** Checks a topic for what none is meant to be; its grammar is the core's to check. */
function checked(topic: unknown): string {
  if (typeof topic !== "string")
    throw fault(`A topic is a text such as "staff:people", and this is ${describe(topic)}.`);
  const missing = MISSING.exec(topic)?.[1];
  if (missing)
    throw fault(`\`${topic}\` was built with \`${missing}\`: subscribe when that value is known.`, topic);
  return topic;
}

function describe(value: unknown): string {
  return typeof value === "object" && value !== null
    ? Object.prototype.toString.call(value)
    : typeof value === "function"
      ? "a function"
      : String(value);
}

/** Whether it can be gone through, and is no text. */
const isList = (topics: unknown): topics is Iterable<unknown> =>
  typeof topics === "object" && topics !== null && Symbol.iterator in topics;

/** The topics of a publish, each a text. */
export function named(topics: unknown): readonly string[] {
  if (isList(topics)) return Array.from(topics, checked);
  throw fault(`\`topics\` is not a list of texts, but ${describe(topics)}.`);
}

/** The topics of a subscription, at least one. */
export function list(topics: unknown): readonly string[] {
  const names = isList(topics) ? Array.from(topics, checked) : [checked(topics)];
  if (!names.length) throw fault("The list of topics is empty: name at least one.");
  return names;
}

/** Refuses what is no pause. */
export function checkPause(ms: unknown): void {
  if (ms === undefined || (typeof ms === "number" && ms >= 0 && Number.isFinite(ms))) return;
  throw new TypeError(`\`minInterval\` is a number of milliseconds, and this is ${describe(ms)}.`);
}
