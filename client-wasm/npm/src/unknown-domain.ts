import { nameOf } from "./domain-list.js";
import type { Domain } from "./topics.js";

/** Warns that neither side knows a domain: it may be a typo, and then none of its events ever arrives. */
export function unknownDomain(
  domain: string,
  nearest: string,
  declared: readonly (Domain | string)[] = [],
): void {
  const known = declared.map((one) => `\`${nameOf(one)}\``).join(", ");
  const meant = nearest ? ` Did you mean \`${nearest}\`?` : known && ` \`domains\` names ${known}.`;
  const all = [...declared, domain].map((one) => (typeof one === "string" ? JSON.stringify(one) : one.name));
  console.warn(
    `tidings: neither the server nor this client knows the domain \`${domain}\`: is it a typo?${meant} If the name is right, say so: createClient({ domains: [${all.join(", ")}] }).`,
  );
}
