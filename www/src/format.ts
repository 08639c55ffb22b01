const euros = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR" });
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const times = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});

export const money = (cents: number) => euros.format(cents / 100);
export const moment = (ms: number) => dates.format(ms);
export const time = (ms: number) => times.format(ms);

/** `1 team`, `2 teams`. */
export const count = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** `on_hold` as `on hold`. */
export const words = (name: string) => name.replaceAll("_", " ");

/** The value of an `<input type="datetime-local">`, in the time zone of the browser. */
export function toLocalInput(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

export function median(numbers: number[]): number | undefined {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
