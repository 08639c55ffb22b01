/** Warns of a domain that nobody knows: nothing may ever come of its topics. */
export function unknownDomain(domain: string, nearest: string, declared: readonly string[] = []): void {
  const known = declared.map((name) => `\`${name}\``).join(", ");
  const meant = nearest
    ? ` Was \`${nearest}\` meant?`
    : known && ` Those that \`domains\` names are ${known}.`;
  const all = JSON.stringify([...declared, domain]);
  console.warn(
    `tidings: neither the server nor this client knows the domain \`${domain}\`, so perhaps nothing ever comes of its topics.${meant} If it is right, say so: createClient({ domains: ${all} }).`,
  );
}
