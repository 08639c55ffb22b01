import { TidingsError } from "./errors.js";

/** Refuses arguments that are not of this type, in the call that has them. */
export function expect(type: string, call: string, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values))
    if (typeof value !== type || value === null)
      throw mustBe(call, name, withArticle(type), value == null ? String(value) : withArticle(typeof value));
}

const withArticle = (noun: string): string => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;

const mustBe = (call: string, name: string, what: string, is: string): TypeError =>
  new TypeError(`${call}: \`${name}\` must be ${what}, but is ${is}`);

const CALLBACKS = ["concerns", "onError", "onNotice", "onResume", "onSync"];

/** The same for the options of a call. */
export function expectOptions(call: string, options: unknown): void {
  expect("object", call, { options });
  const { signal, ...given } = options as Record<string, unknown>;
  for (const name of CALLBACKS)
    if (given[name] !== undefined) expect("function", call, { [name]: given[name] });
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.throwIfAborted !== "function")
    throw mustBe(call, "signal", "an AbortSignal", describe(signal));
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

/** The text of what was thrown, which may have none: a symbol, an object without a prototype. */
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

/** Refuses what is no list of domains. */
export function checkDomains(domains: unknown): void {
  if (domains === undefined) return;
  const items = Array.isArray(domains) ? Array.from<unknown>(domains) : undefined;
  const wrong = items?.findIndex((item) => typeof item !== "string");
  if (wrong === -1) return;
  const is = items && wrong !== undefined ? `holds ${describe(items[wrong])}` : `is ${describe(domains)}`;
  throw new TypeError(
    `createClient({ domains }): \`domains\` must be a list of texts, such as ["orders"], but ${is}`,
  );
}

/** Refuses what is no number of events. */
export function checkBuffer(buffer: unknown): void {
  if (buffer === undefined || (Number.isInteger(buffer) && (buffer as number) >= 1)) return;
  throw mustBe("events(topics, { buffer })", "buffer", "a whole number, 1 or more", describe(buffer));
}
