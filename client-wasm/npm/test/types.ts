// Types that the compiler must find, and mistakes that it must refuse. Never run: `npm run check` compiles it.
import {
  type Client,
  createClient,
  type EventItem,
  type EventsOptions,
  type Handler,
  type PublishableEvent,
  type Published,
  type PublishOptions,
  type Spelt,
  type StaffPeopleEvent,
  type StaffPersonEvent,
  type Subscription,
  type TidingsError,
  topic,
  type Untyped,
  type UntypedEvent,
  type Watch,
  type WatchOptions,
} from "tidings";
import type { createClient as createByUrl } from "tidings/url";

declare module "tidings" {
  interface Topics {
    [topic: `orders:order:${string}`]: { domain: "orders"; event: "order_paid"; payload: { total: number } };
  }
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

const client: Client = createClient({ url: new URL("wss://example.com/v1/ws"), token: async () => "t" });
same<Client, ReturnType<typeof createByUrl>>(true);
declare const id: string;

client.watch([topic.staff.people, `staff:person:${id}`], {
  load: async (signal) => [signal.aborted],
  onData: (data) => same<typeof data, boolean[]>(true),
  concerns: (event, meta) => event.payload.uuid === id || meta.own,
});
client
  .watch(topic.staff.people, { load: () => 1, onData: (data) => same<typeof data, number>(true) })
  .reload();
// @ts-expect-error: a misspelt topic would never be heard of
client.watch("staff:pepole", { load: () => 1, onData: () => {} });
// @ts-expect-error: data that nobody loads
client.watch(topic.staff.people, { onData: () => {} });

client.subscribe(`staff:person:${id}`, (event) => {
  same<typeof event, StaffPersonEvent>(true);
  if (event.event === "person_updated") {
    const uuid: string = event.payload.uuid;
    void uuid;
  }
  // @ts-expect-error a key that its payload does not have
  if (event.event === "person_updated") void event.payload.uid;
  // @ts-expect-error an event that never appears on that topic
  if (event.event === "department_created") return;
});
client.subscribe(topic.staff.person(id), (event) => same<typeof event, StaffPersonEvent>(true));
client.subscribe(["catalogue", "projects:tasks"], (event) => {
  if (event.domain === "catalogue") same<typeof event.event, "data_changed">(true);
  else same<typeof event.event, "task_created" | "task_updated" | "task_deleted">(true);
});
// @ts-expect-error a misspelt topic
client.subscribe("staff:peple", () => {});
// @ts-expect-error a misspelt topic among others
client.subscribe(["staff:people", "staff:peple"], () => {});
// @ts-expect-error a misspelt topic of one's own domain
client.events("orders:ordr:7");
client.subscribe(["staff:people", "elsewhere:x", id], () => {});
// @ts-expect-error no such topic to build
topic.staff.persons(id);
client.subscribe(id, (event) => same<typeof event, UntypedEvent>(true));
client.subscribe("orders:order:7", (event, meta) => {
  const total: number = event.payload.total;
  void [total, meta.topics, meta.origin];
});

async function iterate(): Promise<void> {
  for await (const { event, meta } of client.events("projects:all", {
    onSync: ({ topics }) => void topics,
  })) {
    same<typeof event.domain, "projects">(true);
    void meta.at;
  }
}

async function publish(): Promise<void> {
  const { key, position, topics } = await client.publish({
    domain: "staff",
    event: "person_updated",
    payload: { uuid: id, note: "undeclared keys survive" },
  });
  void [key, position, topics, iterate];
  await client.publish(
    { domain: "orders", event: "order_paid", payload: { total: 1 } },
    { topics: ["orders:order:7"] },
  );
  await client.publish(
    { domain: "unheard_of", event: "anything", payload: [1] },
    { topics: ["unheard_of:x"] },
  );
  // @ts-expect-error no such event
  await client.publish({ domain: "staff", event: "person_promoted", payload: { uuid: id } });
  // @ts-expect-error the payload of another event
  await client.publish({ domain: "staff", event: "team_person_added", payload: { uuid: id } });
  // @ts-expect-error a key of the wrong type
  await client.publish({ domain: "staff", event: "person_updated", payload: { uuid: 7 } });
  // @ts-expect-error a payload without its key
  await client.publish({ domain: "staff", event: "person_updated", payload: {} });
  // @ts-expect-error record data in the catalogue
  await client.publish({ domain: "catalogue", event: "data_changed", payload: { kind: "item", price: 1 } });
}

client.on("status", (status) => {
  if (status === "open") return;
  // @ts-expect-error no such status
  if (status === "opened") return;
});
client.on("error", (error) => {
  same<typeof error, TidingsError>(true);
  if (error.code === "offline_full" || error.retryable) void [error.hint, publish];
});
{
  using subscription = client.subscribe("catalogue", () => {});
  void subscription.ready;
}

// The wrappers of a framework's binding, which are as strict about topics as the methods are.
function useEvents<const T extends string>(
  topics: Spelt<T> | readonly Spelt<T>[],
  handler: Handler<T>,
): Subscription {
  return client.subscribe(topics, handler);
}
function useData<const T extends string, D>(
  topics: Spelt<T> | readonly Spelt<T>[],
  options: WatchOptions<T, D>,
): Watch {
  return client.watch(topics, options);
}
async function* eventsOf<const T extends string>(
  topics: Spelt<T> | readonly Spelt<T>[],
  options?: EventsOptions,
): AsyncGenerator<EventItem<T>> {
  yield* client.events(topics, options);
}
function send(event: PublishableEvent, options?: PublishOptions): Promise<Published> {
  return client.publish(event, options);
}
function sendUntyped<const E extends UntypedEvent>(
  event: Untyped<E>,
  options?: PublishOptions,
): Promise<Published> {
  return client.publish(event, options);
}
const usePublish: Client["publish"] = (event: never, options?: PublishOptions) =>
  client.publish(event, options);
useEvents("staff:people", (event) => same<typeof event, StaffPeopleEvent>(true));
useEvents([topic.staff.person(id)], (event) => same<typeof event, StaffPersonEvent>(true));
useEvents(`elsewhere:${id}`, (event) => same<typeof event, UntypedEvent>(true));
// @ts-expect-error a misspelt topic
useEvents("staff:peple", () => {});
useData("staff:people", { load: () => 1, onData: (data) => same<typeof data, number>(true) });
// @ts-expect-error a misspelt topic
useData("staff:peple", { load: () => 1, onData: () => {} });
void eventsOf(["projects:all"]);
// @ts-expect-error a misspelt topic
void eventsOf(["projects:al"]);
void send({ domain: "staff", event: "person_updated", payload: { uuid: id, note: "kept" } });
void sendUntyped({ domain: "unheard_of", event: "anything", payload: 7 });
// @ts-expect-error no such event
void sendUntyped({ domain: "staff", event: "person_promoted", payload: { uuid: id } });
usePublish({ domain: "staff", event: "person_updated", payload: { uuid: id, note: "kept" } });
usePublish({ domain: "unheard_of", event: "anything", payload: 7 }, { topics: ["unheard_of:x"] });
// @ts-expect-error no such event
usePublish({ domain: "staff", event: "person_promoted", payload: { uuid: id } });
// @ts-expect-error a payload without its key
usePublish({ domain: "staff", event: "person_updated", payload: {} });
