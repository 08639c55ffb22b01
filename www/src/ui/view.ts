import type { EventOf, KnownTopic, TidingsError, Watch } from "tidings";
import { Problem } from "../api.ts";
import { time } from "../format.ts";
import { type Child, fill, h } from "../h.ts";
import type { Scene } from "../router.ts";
import { watch } from "../tidings.ts";
import type { Field } from "./controls.ts";
import { Form, type Values } from "./form.ts";

interface ViewOptions<T, P extends KnownTopic> {
  topics: readonly P[];
  load: (signal: AbortSignal) => Promise<T>;
  concerns?: (event: EventOf<P>) => boolean;
  /** Which of this window's own events change nothing, because the view shows them already. */
  skipOwn?: (event: EventOf<P>) => boolean;
  /** What the view consists of; hidden until the first data is there. */
  content: Child[];
  update: (data: T) => void;
  /** Where a view of one record leads back to, and what its records are called. */
  back?: { href: string; label: string; noun: string };
  /** The heading of a view that has none of its own. */
  title?: string;
}

/** What the view says of itself when it has heard something. */
const NOTICES = {
  resumed: "Back after a break in the connection: nothing was missed.",
  sync: "Something may have been missed, so this was loaded again.",
  own: "Your own change was here already, so nothing was loaded.",
};

/** Fills the scene, and keeps what it shows equal to what is stored. */
export function view<T, P extends KnownTopic>({ main, signal }: Scene, options: ViewOptions<T, P>): Watch {
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
      const kept = content.hidden ? "" : " What you see is older.";
      fill(notice, h("p", {}, `${problem.message}${kept}`));
    }
  };

  /** A topic was refused: the view may grow stale, which is said as long as it is so. */
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
  /** What the box is called. */
  title: string;
  testid: string;
  fields: Field[];
  submit?: string;
  add: (values: Values) => Promise<unknown>;
  /** Open from the start; else behind its title. */
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
