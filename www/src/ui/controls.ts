import { toLocalInput } from "../format.ts";
import { fill, h } from "../h.ts";

/** The most characters of a name and of a text, as in the API. */
const MAX_NAME = 120;
const MAX_PROSE = 2000;

/** One field of a form; `name` is the record's key. */
export interface Field {
  name: string;
  label: string;
  kind: "line" | "email" | "tel" | "prose" | "count" | "money" | "moment" | "select" | "many" | "flag";
  required?: boolean;
  /** The label of "none" in a select. Without it the user must choose. */
  none?: string;
  /** The value of a new record. */
  initial?: unknown;
}

export interface Option {
  value: string;
  label: string;
}

/** A field on the page. Its value has the form of the API's JSON. */
export interface Control {
  element: HTMLElement;
  /** The element that is marked and gets the focus when the API refuses the value. */
  input: HTMLElement;
  read(): unknown;
  write(value: unknown): void;
  /** Sets the options of a select or a list of boxes. The choice stays. */
  offer(options: Option[]): void;
}

let ids = 0;

export function control(field: Field): Control {
  const id = `field-${++ids}`;
  const base = {
    id,
    name: field.name,
    required: field.required ?? false,
    "data-testid": `field-${field.name}`,
  };
  switch (field.kind) {
    case "prose": {
      const input = h("textarea", { ...base, rows: 3, maxlength: MAX_PROSE });
      return labelled(field, id, input, {
        read: () => input.value.trim(),
        write: (value) => {
          input.value = String(value ?? "");
        },
      });
    }
    case "select":
      return selectControl(field, id, h("select", base));
    case "many":
      return manyControl(field);
    case "flag": {
      const input = h("input", { ...base, required: false, type: "checkbox" });
      return {
        element: h("p", { class: "field flag" }, input, h("label", { for: id }, field.label)),
        input,
        read: () => input.checked,
        write: (value) => {
          input.checked = value === true;
        },
        offer: () => {},
      };
    }
    default:
      return inputControl(field, id, h("input", { ...base, ...INPUT_ATTRIBUTES[field.kind] }));
  }
}

const INPUT_ATTRIBUTES = {
  line: { type: "text", maxlength: MAX_NAME, autocomplete: "off" },
  email: { type: "email", maxlength: MAX_NAME, autocomplete: "off" },
  tel: { type: "tel", maxlength: MAX_NAME, autocomplete: "off" },
  count: { type: "number", min: 0, max: 1_000_000, step: 1, required: true },
  money: { type: "number", min: 0, max: 1_000_000, step: 0.01, required: true },
  moment: { type: "datetime-local", required: true },
};

function inputControl(field: Field, id: string, input: HTMLInputElement): Control {
  const read = (): unknown => {
    if (field.kind === "count") return Number(input.value);
    if (field.kind === "money") return Math.round(Number(input.value) * 100);
    if (field.kind === "moment") return new Date(input.value).getTime();
    return input.value.trim();
  };
  const write = (value: unknown): void => {
    if (field.kind === "money") input.value = (Number(value ?? 0) / 100).toFixed(2);
    else if (field.kind === "count") input.value = String(value ?? 0);
    else if (field.kind === "moment") input.value = toLocalInput(Number(value ?? Date.now()));
    else input.value = String(value ?? "");
  };
  return labelled(field, id, input, { read, write });
}

function selectControl(field: Field, id: string, input: HTMLSelectElement): Control {
  let chosen: string | null = null;
  let offered = "";
  const offer = (options: Option[]): void => {
    // An open list would close if it were filled again.
    if (offered === JSON.stringify(options)) return;
    offered = JSON.stringify(options);
    const none = h("option", { value: "" }, field.none ?? "Choose …");
    fill(input, none, ...options.map(({ value, label }) => h("option", { value }, label)));
    input.value = chosen ?? "";
  };
  input.addEventListener("change", () => {
    chosen = input.value || null;
  });
  offer([]);
  return labelled(field, id, input, {
    read: () => chosen,
    write: (value) => {
      chosen = typeof value === "string" && value ? value : null;
      input.value = chosen ?? "";
    },
    offer,
  });
}

/** A choice of several options, as boxes to tick. */
function manyControl(field: Field): Control {
  let chosen = new Set<string>();
  const boxes = h("div", { class: "boxes" });
  const element = h(
    "fieldset",
    { class: "field", "data-testid": `field-${field.name}`, tabindex: -1 },
    h("legend", {}, field.label),
    boxes,
  );
  let options: Option[] = [];
  const draw = (): void => {
    const focused = boxes.querySelector<HTMLInputElement>("input:focus")?.value;
    const drawn = options.map(({ value, label }) => {
      const box = h("input", { type: "checkbox", value, checked: chosen.has(value) });
      box.addEventListener("change", () => (box.checked ? chosen.add(value) : chosen.delete(value)));
      return h("label", {}, box, h("span", {}, label));
    });
    fill(boxes, ...(drawn.length ? drawn : [h("span", { class: "faint" }, "There is nobody else yet.")]));
    if (focused) boxes.querySelector<HTMLInputElement>(`input[value="${CSS.escape(focused)}"]`)?.focus();
  };
  draw();
  return {
    element,
    input: element,
    read: () => [...chosen].sort(),
    write: (value) => {
      chosen = new Set(Array.isArray(value) ? value : []);
      draw();
    },
    offer: (offered) => {
      if (JSON.stringify(offered) === JSON.stringify(options)) return;
      options = offered;
      draw();
    },
  };
}

function labelled(
  field: Field,
  id: string,
  input: HTMLElement,
  rest: Pick<Control, "read" | "write"> & Partial<Control>,
): Control {
  const label = h(
    "label",
    { for: id },
    field.label,
    field.required && h("span", { class: "faint" }, " (needed)"),
  );
  return { element: h("p", { class: "field" }, label, input), input, offer: () => {}, ...rest };
}
