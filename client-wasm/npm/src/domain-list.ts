// The option `domains` of `createClient`.

import { describe } from "./arguments.js";
import type { Domain } from "./topics.js";

/**
 * How many domains a client may have. It names all of them to the server at each connection, in one frame. With more,
 * `createClient` throws.
 */
const MAX_DOMAINS = 64;

/** Checks the option `domains`. */
export function checkDomains(domains: unknown): void {
  if (domains === undefined) return;
  if (!Array.isArray(domains))
    throw fault(` must be a list such as [staff, "orders"], but is ${describe(domains)}`);
  if (domains.length > MAX_DOMAINS)
    throw fault(` may name ${MAX_DOMAINS} domains, but names ${domains.length}`);
  const fingerprints = new Map<string, string>();
  // `Array.from` also sees the holes of a list.
  for (const [index, item] of Array.from<unknown>(domains).entries()) {
    if (typeof item === "string") continue;
    if (!isDomain(item)) throw fault(`[${index}] ${wrong(item)}`);
    const { name, fingerprint } = item;
    if ((fingerprints.get(name) ?? fingerprint) !== fingerprint)
      throw fault(
        ` has two versions of \`${name}\`: generate its module again, and import it from one place`,
      );
    fingerprints.set(name, fingerprint);
  }
}

const isDomain = (item: unknown): item is Domain => {
  const { name, fingerprint, events } = (item ?? {}) as Partial<Domain>;
  return typeof name === "string" && typeof fingerprint === "string" && Array.isArray(events);
};

/** Says what is wrong with an item, and what to write instead. */
function wrong(item: unknown): string {
  if (item === undefined)
    return "is undefined: does the module export this name? A domain is a constant of a generated module";
  const [name] =
    typeof item === "object" && item !== null
      ? (Object.entries(item).find(([, value]) => isDomain(value)) ?? [])
      : [];
  if (name) return `is a module: hand over its constant, import { ${name} }`;
  return `must be a domain of a generated module or the name of a domain, but is ${describe(item)}`;
}

const fault = (what: string): TypeError => new TypeError(`createClient({ domains }): \`domains\`${what}`);

/** The name of a domain, or of the object of a domain. */
export const nameOf = (domain: Domain | string): string =>
  typeof domain === "string" ? domain : domain.name;
