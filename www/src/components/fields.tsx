import { toLocalInput } from "../format.ts";

/** The most characters of a name and of a text, as in the API. */
const MAX_NAME = 120;
const MAX_PROSE = 2000;

export type FieldKind =
  | "line"
  | "email"
  | "tel"
  | "url"
  | "words"
  | "prose"
  | "count"
  | "money"
  | "moment"
  | "select"
  | "many"
  | "flag";

/** One field of a form; `name` is the record's key. */
export interface Field {
  name: string;
  label: string;
  kind: FieldKind;
  required?: boolean;
  /** The choices of a `select` or of `many`. */
  options?: Option[];
  /** The label of "none" in a select. Without it the user must choose. */
  none?: string;
}

export interface Option {
  value: string;
  label: string;
}

/** The options of a select, one for each record. */
export const asOptions = (records: { uuid: string; name: string }[] = []): Option[] =>
  records.map(({ uuid, name }) => ({ value: uuid, label: name }));

/** What a control holds while the user types. */
export type Input = string | boolean | string[];

/** The input that shows a value of the API. */
export function toInput(kind: FieldKind, value: unknown): Input {
  switch (kind) {
    case "flag":
      return value === true;
    case "many":
      return (value as string[] | undefined) ?? [];
    case "money":
      return (Number(value ?? 0) / 100).toFixed(2);
    case "count":
      return String(value ?? 0);
    case "words":
      return ((value as string[] | undefined) ?? []).join(", ");
    case "moment":
      return toLocalInput(Number(value ?? Date.now()));
    default:
      return String(value ?? "");
  }
}

/** The value of an input, as the API has it. */
export function fromInput(kind: FieldKind, input: Input): unknown {
  switch (kind) {
    case "flag":
      return input;
    case "many":
      return (input as string[]).toSorted();
    case "money":
      return Math.round(Number(input) * 100);
    case "count":
      return Number(input);
    case "moment":
      return new Date(input as string).getTime();
    case "words":
      return (input as string).split(",").flatMap((word) => word.trim() || []);
    case "select":
      return input || null;
    default:
      return (input as string).trim();
  }
}

interface ControlProps {
  field: Field;
  id: string;
  input: Input;
  isRefused: boolean;
  onInput: (input: Input) => void;
}

/** A field on the page, with its label. */
export function Control(props: ControlProps) {
  const { field, id } = props;
  if (field.kind === "many") return <Many {...props} />;
  if (field.kind === "flag")
    return (
      <p className="field flag">
        <Bare {...props} />
        <label htmlFor={id}>{field.label}</label>
      </p>
    );
  return (
    <p className="field">
      <label htmlFor={id}>
        {field.label}
        {field.required && <span className="faint"> (needed)</span>}
      </label>
      <Bare {...props} />
    </p>
  );
}

const ATTRIBUTES = {
  line: { type: "text", maxLength: MAX_NAME, autoComplete: "off" },
  email: { type: "email", maxLength: MAX_NAME, autoComplete: "off" },
  tel: { type: "tel", maxLength: MAX_NAME, autoComplete: "off" },
  url: { type: "url", maxLength: MAX_PROSE, autoComplete: "off" },
  words: { type: "text", maxLength: MAX_PROSE, autoComplete: "off" },
  count: { type: "number", min: 0, max: 1_000_000, step: 1, required: true },
  money: { type: "number", min: 0, max: 1_000_000, step: 0.01, required: true },
  moment: { type: "datetime-local", required: true },
};

function Bare({ field, id, input, isRefused, onInput }: ControlProps) {
  const { name, kind, required, options = [], none = "Choose …" } = field;
  const base = { id, name, required, "aria-invalid": isRefused || undefined, "data-testid": `field-${name}` };
  const text = {
    value: String(input),
    onChange: (e: { target: { value: string } }) => onInput(e.target.value),
  };
  switch (kind) {
    case "prose":
      return <textarea {...base} {...text} rows={3} maxLength={MAX_PROSE} />;
    case "select":
      return (
        <select {...base} {...text}>
          <option value="">{none}</option>
          {options.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      );
    case "flag":
      return (
        <input
          {...base}
          type="checkbox"
          checked={input === true}
          onChange={({ target }) => onInput(target.checked)}
        />
      );
    case "many":
      return null;
    default:
      return <input {...base} {...ATTRIBUTES[kind]} {...text} />;
  }
}

/** A choice of several options, as boxes to tick. */
function Many({ field: { name, label, options = [] }, input, isRefused, onInput }: ControlProps) {
  const chosen = input as string[];
  const tick = (value: string, isTicked: boolean) =>
    onInput(isTicked ? [...chosen, value] : chosen.filter((other) => other !== value));
  return (
    <fieldset
      className="field"
      name={name}
      tabIndex={-1}
      aria-invalid={isRefused || undefined}
      data-testid={`field-${name}`}
    >
      <legend>{label}</legend>
      <div className="boxes">
        {options.map(({ value, label }) => (
          <label key={value}>
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={({ target }) => tick(value, target.checked)}
            />
            <span>{label}</span>
          </label>
        ))}
        {options.length === 0 && <span className="faint">There is nobody else yet.</span>}
      </div>
    </fieldset>
  );
}
