/** Warns that neither side knows a domain: it may be a typo, and then none of its events ever arrives. */
export function unknownDomain(domain: string, nearest: string, declared: readonly string[] = []): void {
  const known = declared.map((name) => `\`${name}\``).join(", ");
  const meant = nearest ? ` Did you mean \`${nearest}\`?` : known && ` \`domains\` names ${known}.`;
  const all = JSON.stringify([...declared, domain]);
  console.warn(
    `tidings: neither the server nor this client knows the domain \`${domain}\`: is it a typo?${meant} If the name is right, say so: createClient({ domains: ${all} }).`,
  );
}
