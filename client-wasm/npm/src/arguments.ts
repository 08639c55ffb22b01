/** Refuses arguments that are not of this type, in the call that has them. */
export function expect(type: string, call: string, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values))
    if (typeof value !== type || value === null)
      throw new TypeError(`${call}: \`${name}\` is ${value === null ? value : typeof value} and no ${type}`);
}
