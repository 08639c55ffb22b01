import { Problem } from "../api.ts";
import { fill, flash, h } from "../h.ts";
import { type Control, control, type Field, type Option } from "./controls.ts";

export type Values = Record<string, unknown>;

interface FormOptions {
  testid: string;
  fields: Field[];
  submit: string;
  /** Called with the fields that the user changed, or with all fields of a new record. */
  save: (values: Values) => Promise<void>;
  cancel?: () => void;
}

/** A form that keeps its input when newer data arrives. It merges or offers the newer data. */
export class Form {
  readonly element: HTMLFormElement;
  readonly #controls = new Map<string, Control>();
  readonly #labels = new Map<string, string>();
  readonly #notice = h("div", { class: "notice", role: "status", hidden: true, "data-testid": "newer" });
  readonly #fault = h("p", { class: "fault", role: "alert", hidden: true, "data-testid": "fault" });
  readonly #save: FormOptions["save"];
  /** The values of the record that the form was filled with, or that were merged since. */
  #base: Values = {};

  constructor({ testid, fields, submit, save, cancel }: FormOptions) {
    this.#save = save;
    for (const field of fields) {
      const made = control(field);
      this.#controls.set(field.name, made);
      this.#labels.set(field.name, field.label);
      made.write(field.initial);
    }
    const submitButton = h("button", { type: "submit", "data-testid": `${testid}-submit` }, submit);
    const cancelButton = cancel && h("button", { type: "button", class: "quiet", onclick: cancel }, "Cancel");
    this.element = h(
      "form",
      { class: "fields", "data-testid": testid },
      this.#notice,
      ...[...this.#controls.values()].map(({ element }) => element),
      this.#fault,
      h("div", { class: "actions" }, submitButton, cancelButton),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit(submitButton);
    });
  }

  /** Fills the form with the values of a record. */
  fill(record: object): void {
    this.#base = this.#pick(record);
    for (const [name, made] of this.#controls) made.write(this.#base[name]);
    this.#notice.hidden = true;
    this.#fault.hidden = true;
  }

  /**
   * Merges newer data. A field that the user did not change takes it. For the others the form offers it, and keeps the
   * input until the user decides.
   */
  merge(record: object): void {
    const newer = this.#pick(record);
    const disputed: string[] = [];
    for (const [name, made] of this.#controls) {
      if (same(newer[name], this.#base[name])) continue;
      if (same(made.read(), this.#base[name])) {
        made.write(newer[name]);
        flash(made.element);
      } else if (!same(made.read(), newer[name])) {
        disputed.push(name);
      }
    }
    this.#base = newer;
    if (disputed.length > 0) this.#offer(disputed, newer);
  }

  offer(name: string, options: Option[]): void {
    this.#controls.get(name)?.offer(options);
  }

  /** Resets the form for a new record. */
  reset(fields: Field[]): void {
    for (const { name, initial } of fields) this.#controls.get(name)?.write(initial);
    this.#fault.hidden = true;
  }

  focus(): void {
    const [first] = this.#controls.values();
    first?.input.focus();
  }

  #offer(names: string[], newer: Values): void {
    const list = names.map((name) => this.#labels.get(name)).join(", ");
    const take = (): void => {
      for (const name of names) this.#controls.get(name)?.write(newer[name]);
      this.#notice.hidden = true;
      this.focus();
    };
    const keep = (): void => {
      this.#notice.hidden = true;
      this.focus();
    };
    fill(
      this.#notice,
      h("p", {}, `Somebody changed this while you were editing it: ${list}. What you typed is still here.`),
      h(
        "div",
        { class: "actions" },
        h(
          "button",
          { type: "button", class: "small", onclick: take, "data-testid": "newer-take" },
          "Use the newer data",
        ),
        h(
          "button",
          { type: "button", class: "quiet small", onclick: keep, "data-testid": "newer-keep" },
          "Keep mine",
        ),
      ),
    );
    this.#notice.hidden = false;
  }

  async #submit(button: HTMLButtonElement): Promise<void> {
    const changed: Values = {};
    for (const [name, made] of this.#controls) {
      const value = made.read();
      made.input.removeAttribute("aria-invalid");
      if (!same(value, this.#base[name])) changed[name] = value;
    }
    this.#fault.hidden = true;
    button.disabled = true;
    try {
      await this.#save(changed);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#fault.textContent = error.message;
      this.#fault.hidden = false;
      const input = error.field && this.#controls.get(error.field)?.input;
      if (input) {
        input.setAttribute("aria-invalid", "true");
        input.focus();
      }
    } finally {
      button.disabled = false;
    }
  }

  #pick(record: object): Values {
    const names = [...this.#controls.keys()];
    return Object.fromEntries(names.map((name) => [name, (record as Values)[name]]));
  }
}

const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
