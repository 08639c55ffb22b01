// Types that the compiler must find, and mistakes that it must refuse. Never run: `npm run check` compiles it.
import {
  type Client,
  createClient,
  type Domain,
  type EventItem,
  type EventOf,
  type EventsOptions,
  type Handler,
  type PublishableEvent,
  type Published,
  type PublishOptions,
  type Spelt,
  type Subscription,
  type TidingsError,
  type Topic,
  type Untyped,
  type UntypedEvent,
  type Watch,
  type WatchOptions,
} from "tidings";
import {
  catalogue,
  crm,
  type ProjectsTasksEvent,
  projects,
  type StaffDomain,
  type StaffPeopleEvent,
  type StaffPersonEvent,
  staff,
} from "tidings/domains";
import { createTestHub } from "tidings/testing";
import { createClient as createByUrl } from "tidings/url";

/** A domain as a generated module writes it. */
interface OrderPaid {
  domain: "orders";
  event: "order_paid";
  payload: { total: number };
}
interface OrdersTopics {
  [topic: `orders:order:${string}`]: OrderPaid;
}
interface OrdersDomain extends Domain<"orders", OrderPaid, OrdersTopics> {
  readonly topics: { readonly order: (id: string) => Topic<OrderPaid> };
}
declare const orders: OrdersDomain;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

const client = createClient({
  url: new URL("wss://example.com/v1/ws"),
  token: async () => "t",
  domains: [staff, projects, catalogue, orders, "invoices"],
});
declare const id: string;

client.watch([staff.topics.people, `staff:person:${id}`], {
  load: async (signal) => [signal.aborted],
  onData: (data) => same<typeof data, boolean[]>(true),
  concerns: (event, meta) => event.payload.uuid === id || meta.own,
});
client
  .watch(staff.topics.people, { load: () => 1, onData: (data) => same<typeof data, number>(true) })
  .reload();
// @ts-expect-error: a misspelt topic would never be heard of
client.watch("staff:pepole", { load: () => 1, onData: () => {} });
// @ts-expect-error: data that nobody loads
client.watch(staff.topics.people, { onData: () => {} });

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
client.subscribe(staff.topics.person(id), (event) => same<typeof event, StaffPersonEvent>(true));
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
// @ts-expect-error events of another topic
client.subscribe(staff.topics.people, (event: ProjectsTasksEvent) => void event);
client.subscribe(["staff:people", "elsewhere:x", id], () => {});
// @ts-expect-error no such topic to build
staff.topics.persons(id);
client.subscribe(id, (event) => same<typeof event, UntypedEvent>(true));
// Topics of builders know their events, and so do their mixtures with literals.
client.subscribe([staff.topics.people, projects.topics.tasks], (event) =>
  same<typeof event, StaffPeopleEvent | ProjectsTasksEvent>(true),
);
client.subscribe(["staff:people", projects.topics.tasks], (event) =>
  same<typeof event, StaffPeopleEvent | ProjectsTasksEvent>(true),
);
client.subscribe(crm.topics.interactions(id), (event) => same<typeof event.domain, "crm">(true));
client.subscribe("invoices:7", (event) => same<typeof event, UntypedEvent>(true));
client.subscribe(orders.topics.order("7"), (event) => same<typeof event, OrderPaid>(true));
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

// A client is typed by its domains. Without any, every string is an untyped topic, and builders are typed all the same.
const plain = createClient();
same<typeof plain, Client>(true);
same<typeof plain, Client<never>>(true);
plain.subscribe("staff:peple", (event) => same<typeof event, UntypedEvent>(true));
plain.subscribe(staff.topics.people, (event) => same<typeof event, StaffPeopleEvent>(true));
void plain.publish({ domain: "staff", event: "person_promoted", payload: 7 });
// @ts-expect-error no event
void plain.publish({ domain: "staff" });
const staffOnly = createClient({ domains: [staff, "invoices"] });
same<typeof staffOnly, Client<StaffDomain>>(true);
same<typeof staffOnly, ReturnType<typeof createByUrl<StaffDomain>>>(true);
staffOnly.subscribe("projects:al", (event) => same<typeof event, UntypedEvent>(true));
declare const names: string[];
same<Client, ReturnType<typeof createClient<(typeof names)[number]>>>(true);
void createByUrl({ domains: names });

// A list of domains that the compiler does not know types nothing.
declare const list: Domain[];
const listed = createClient({ domains: list });
listed.subscribe("staff:peple", (event) => same<typeof event, UntypedEvent>(true));
listed.subscribe(staff.topics.people, (event) => same<typeof event, StaffPeopleEvent>(true));
void listed.publish({ domain: "staff", event: "person_promoted", payload: 7 });

// A client of several domains is a client of fewer, and of none.
const fewer: Client<StaffDomain> = client;
const any: Client = client;
void [fewer, any];
// @ts-expect-error this client does not know projects
const more: Client<StaffDomain | typeof projects> = staffOnly;
void more;

// The hub of a test has clients of the same types, and knows the events of a builder's topic.
const hub = createTestHub();
const untested = hub.createClient();
same<typeof untested, Client>(true);
const tested = hub.createClient({ domains: [staff, "invoices"], token: "t" });
same<typeof tested, Client<StaffDomain>>(true);
hub.emit(staff.topics.people, { domain: "staff", event: "person_updated", payload: { uuid: id } });
hub.emit([staff.topics.people, "x"], { domain: "staff", event: "person_updated", payload: { uuid: id } });
hub.emit(["staff:people"], { domain: "staff", event: "anything", payload: 7 });
// @ts-expect-error no event of this topic
hub.emit(staff.topics.people, { domain: "staff", event: "team_created", payload: { uuid: id } });

// What is no domain.
// @ts-expect-error a part of a domain
void createClient({ domains: [{ name: "staff" }] });
// @ts-expect-error a module
void createClient({ domains: [{ staff, projects }] });
// @ts-expect-error a number
void createClient({ domains: [7] });

// The wrappers of a framework's binding. They do not know the client's domains.
function useEvents<E>(topics: Topic<E> | readonly Topic<E>[], handler: Handler<E>): Subscription {
  return client.subscribe(topics, handler);
}
function useOne<E>(topic: Topic<E>, handler: (event: E) => void): Subscription {
  return plain.subscribe(topic, handler);
}
function useLoaded<E, Data>(topic: Topic<E>, options: WatchOptions<E, Data>): Watch {
  return plain.watch(topic, options);
}
function useMany<const T extends string>(
  topics: T | readonly T[],
  handler: Handler<EventOf<T>>,
): Subscription {
  return plain.subscribe(topics, handler);
}
async function* itemsOf<E>(topic: Topic<E>): AsyncGenerator<EventItem<E>> {
  yield* plain.events(topic);
}
useEvents(staff.topics.people, (event) => same<typeof event, StaffPeopleEvent>(true));
useEvents([staff.topics.person(id), staff.topics.person(id)], (event) =>
  same<typeof event, StaffPersonEvent>(true),
);
useOne(staff.topics.people, (event) => same<typeof event, StaffPeopleEvent>(true));
useLoaded(staff.topics.people, {
  load: () => 1,
  onData: (data) => same<typeof data, number>(true),
  concerns: (event) => same<typeof event, StaffPeopleEvent>(true) === undefined,
});
useMany([staff.topics.people, projects.topics.tasks], (event) =>
  same<typeof event, StaffPeopleEvent | ProjectsTasksEvent>(true),
);
useMany(`elsewhere:${id}`, (event) => same<typeof event, UntypedEvent>(true));
for await (const { event } of itemsOf(staff.topics.people)) same<typeof event, StaffPeopleEvent>(true);
// @ts-expect-error a string without a type
useOne("staff:people", () => {});

// The wrappers of an application. They know the client's domains, and are as strict about topics as the methods are.
type D = StaffDomain | typeof projects;
const strict: Client<D> = client;
function useStrict<const T extends string>(
  topics: Spelt<T, D> | readonly Spelt<T, D>[],
  handler: Handler<EventOf<T, D>>,
): Subscription {
  return strict.subscribe(topics, handler);
}
function useData<const T extends string, Data>(
  topics: Spelt<T, D> | readonly Spelt<T, D>[],
  options: WatchOptions<EventOf<T, D>, Data>,
): Watch {
  return strict.watch(topics, options);
}
async function* eventsOf<const T extends string>(
  topics: Spelt<T, D> | readonly Spelt<T, D>[],
  options?: EventsOptions,
): AsyncGenerator<EventItem<EventOf<T, D>>> {
  yield* strict.events(topics, options);
}
function send(event: PublishableEvent<D>, options?: PublishOptions): Promise<Published> {
  return strict.publish(event, options);
}
function sendUntyped<const E extends UntypedEvent>(
  event: Untyped<E, D>,
  options?: PublishOptions,
): Promise<Published> {
  return strict.publish(event, options);
}
const usePublish: Client<D>["publish"] = (event: never, options?: PublishOptions) =>
  strict.publish(event, options);
useStrict("staff:people", (event) => same<typeof event, StaffPeopleEvent>(true));
useStrict([staff.topics.person(id)], (event) => same<typeof event, StaffPersonEvent>(true));
useStrict(`elsewhere:${id}`, (event) => same<typeof event, UntypedEvent>(true));
// @ts-expect-error a misspelt topic
useStrict("staff:peple", () => {});
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
