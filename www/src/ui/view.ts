import type { EventOf, TidingsError, Topic, Watch } from "tidings";
import { Problem } from "../api.ts";
import { time } from "../format.ts";
import { type Child, fill, h } from "../h.ts";
import type { Scene } from "../router.ts";
import { watch } from "../tidings.ts";
import type { Field } from "./controls.ts";
import { Form, type Values } from "./form.ts";

interface ViewOptions<T, P extends Topic<unknown>> {
  topics: readonly P[];
  load: (signal: AbortSignal) => Promise<T>;
  concerns?: (event: EventOf<P>) => boolean;
  /** Returns whether the view shows a change of this window already, so that it need not load. */
  skipOwn?: (event: EventOf<P>) => boolean;
  /** The elements of the view. They are hidden until the first data arrives. */
  content: Child[];
  update: (data: T) => void;
  /** The list that a view of one record leads back to, and the word for its records. */
  back?: { href: string; label: string; noun: string };
  /** The heading of a view that has none of its own. */
  title?: string;
}

/** The note below a view, for each notice of its watch. */
const NOTICES = {
  resumed: "The connection is back. Nothing was missed, so nothing was loaded.",
  sync: "Events may have been missed, so everything was loaded again.",
  own: "Your change is shown already, so nothing was loaded.",
};

/** Fills the scene, and keeps it equal to the stored data. */
export function view<T, P extends Topic<unknown>>(
  { main, signal }: Scene,
  options: ViewOptions<T, P>,
): Watch {
  const { topics, load, concerns, skipOwn, update, back, title } = options;
  const notice = h("div", { class: "notice", role: "alert", hidden: true, "data-testid": "view-problem" });
  const waiting = h("p", { class: "empty" }, "Loading …");
  const content = h("div", { class: "content", hidden: true }, ...options.content);
  const heard = h("p", { class: "heard faint", role: "status", "data-testid": "view-heard" });
  fill(
    main,
    back && h("p", { class: "back" }, h("a", { href: back.href }, `← ${back.label}`)),
    title && h("h1", {}, title),
    notice,
    waiting,
    content,
    heard,
  );

  const show = (problem: Problem): void => {
    notice.hidden = false;
    const gone = problem.status === 404 && back;
    if (gone) {
      waiting.hidden = true;
      content.hidden = true;
      fill(
        notice,
        h("p", {}, `This ${back.noun} does not exist any more. `, h("a", { href: back.href }, back.label)),
      );
    } else {
      const kept = content.hidden ? "" : " The data on this page may be out of date.";
      fill(notice, h("p", {}, `${problem.message}${kept}`));
    }
  };

  /** A topic was refused, so the view may be out of date. The notice stays. */
  let isDeaf = false;
  return watch<P, T>(topics, {
    load,
    ...(concerns && { concerns }),
    ...(skipOwn && { skipOwn }),
    onData: (data) => {
      notice.hidden = !isDeaf;
      update(data);
      waiting.hidden = true;
      content.hidden = false;
    },
    onError: (error: TidingsError) => {
      isDeaf ||= error.code !== "load_failed";
      const { cause, code, message } = error;
      show(cause instanceof Problem ? cause : new Problem(400, code, message));
    },
    onNotice: (what) => fill(heard, `${time(Date.now())} ${NOTICES[what]}`),
    signal,
  });
}

interface AddOptions {
  /** The title of the box. */
  title: string;
  testid: string;
  fields: Field[];
  submit?: string;
  add: (values: Values) => Promise<unknown>;
  /** Whether the box is open at first. */
  open?: boolean;
}

/** A form for a new record, folded away until it is needed. */
export function addBox({ title, testid, fields, submit = "Add", add, open = false }: AddOptions) {
  const form = new Form({
    testid,
    fields,
    submit,
    save: async (values) => {
      await add(values);
      form.reset(fields);
    },
  });
  const element = h(
    "details",
    { class: "card add", open },
    h("summary", { "data-testid": `${testid}-open` }, title),
    form.element,
  );
  return { element, offer: form.offer.bind(form) };
}

/** A part of a view with a heading of its own. */
export function section(title: string, ...content: Child[]): HTMLElement {
  return h("section", { class: "part" }, h("h2", {}, title), ...content);
}
