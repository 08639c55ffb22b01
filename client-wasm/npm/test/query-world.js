// A store, a hub, a page with queries, and everything that may happen to them, by a seed.
import {
  dehydrate,
  focusManager,
  hydrate,
  InfiniteQueryObserver,
  onlineManager,
  QueryClient,
  QueryObserver,
} from "@tanstack/query-core";
import { createTestHub } from "tidings/testing";
import { Clock } from "./clock.js";

/** A generator of random numbers: mulberry32. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Stands in for a client with a server: one connection, on which messages arrive in their order. A cut loses the messages
 * on their way. After it, the server resumes from the last event that arrived, or says `sync`.
 */
export class StandIn {
  status = "open";
  origin = { writes: 0 };
  errors = [];
  inner = {
    origin: this.origin,
    report: (error) => this.errors.push(error),
    state: { error: (e) => this.errors.push(e) },
  };
  #clock;
  #delay;
  #log = [];
  /** How many events of the log have arrived. */
  #position = 0;
  #subscriptions = new Set();
  #connection = 0;
  #lastArrival = 0;

  constructor(clock, delay) {
    this.#clock = clock;
    this.#delay = delay;
  }

  /** Its client. */
  get client() {
    return this;
  }

  /** The mark of a write that begins. */
  write() {
    return `${"-".repeat(37)}${++this.origin.writes}`;
  }

  get subscriptions() {
    return this.#subscriptions.size;
  }

  /** Whether a topic was asked for within the last 3 seconds and is not in force yet. */
  get isAsking() {
    return [...this.#subscriptions].some(({ isReady, at }) => !isReady && this.#clock.now < at + 3_000);
  }

  subscribe(topics, handler, options) {
    let settle;
    const ready = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    ready.catch(() => {});
    const subscription = {
      topics,
      handler,
      options,
      settle,
      since: undefined,
      isReady: false,
      at: this.#clock.now,
    };
    this.#subscriptions.add(subscription);
    if (this.status === "open") this.#ask(subscription);
    return {
      topics,
      ready,
      unsubscribe: () => {
        this.#subscriptions.delete(subscription);
        settle.reject(new Error("ended"));
      },
    };
  }

  /** An event is published. Its way to the page begins. */
  publish(event, origin) {
    this.#log.push({ event, origin });
    if (this.status === "open") this.#send(this.#log.length - 1);
  }

  /** The server leaves events out, and says so. */
  lag() {
    if (this.status === "open") this.#syncs();
  }

  /** The server refuses something. */
  fail(error) {
    for (const { options } of [...this.#subscriptions]) options.onError(error);
  }

  /** The connection is lost. */
  cut() {
    this.status = "reconnecting";
    this.#connection++;
  }

  /** The connection is back. */
  reconnect(resumes) {
    if (this.status === "open") return;
    this.status = "open";
    this.#lastArrival = this.#clock.now;
    if (resumes) {
      for (const subscription of this.#subscriptions)
        if (subscription.isReady)
          this.#message(() => this.#tell(subscription, () => subscription.options.onResume()));
    } else this.#syncs();
    for (const subscription of this.#subscriptions) if (!subscription.isReady) this.#ask(subscription);
    if (resumes) for (let index = this.#position; index < this.#log.length; index++) this.#send(index);
  }

  #syncs() {
    const head = this.#log.length;
    this.#message(() => {
      this.#position = Math.max(this.#position, head);
      for (const subscription of [...this.#subscriptions])
        if (subscription.isReady)
          this.#tell(subscription, () => subscription.options.onSync({ topics: subscription.topics }));
    });
  }

  #ask(subscription) {
    // The server reads the frame after a while. From then on the subscription hears of events.
    const connection = this.#connection;
    setTimeout(() => {
      if (connection !== this.#connection) return;
      subscription.since = this.#log.length;
      this.#message(() =>
        this.#tell(subscription, () => {
          subscription.isReady = true;
          subscription.settle.resolve();
        }),
      );
    }, this.#delay());
  }

  #send(index) {
    this.#message(() => {
      if (index < this.#position) return;
      this.#position = index + 1;
      const { event, origin } = this.#log[index];
      const own = origin !== undefined;
      for (const subscription of [...this.#subscriptions])
        if (subscription.isReady && index >= subscription.since)
          this.#tell(subscription, () =>
            subscription.handler(event, { own, origin, topics: subscription.topics }),
          );
    });
  }

  #tell(subscription, call) {
    if (this.#subscriptions.has(subscription)) call();
  }

  #message(arrive) {
    const connection = this.#connection;
    this.#lastArrival = Math.max(this.#lastArrival, this.#clock.now + this.#delay());
    setTimeout(() => connection === this.#connection && arrive(), this.#lastArrival - this.#clock.now);
  }
}

/** The real client, on the hub of `tidings/testing`. */
export class TestServer {
  errors = [];
  isAsking = false;
  #delay;
  #hub = createTestHub();
  client = this.#hub.createClient();

  constructor(_clock, delay) {
    this.#delay = delay;
    this.client.on("error", (error) => error.code !== "connect_failed" && this.errors.push(error));
  }

  /** The core is loaded in real time. */
  static async load() {
    const hub = createTestHub();
    hub.createClient().subscribe("staff:people", () => {});
    await hub.settled();
    hub.close();
  }

  write() {
    return this.client.writeHeaders()["Tidings-Origin"];
  }

  get subscriptions() {
    return this.#hub.subscriptions.length;
  }

  publish(event, origin) {
    this.#hub.lag(this.#delay());
    this.#hub.emit("staff:people", event, { origin });
  }

  lag() {
    this.#hub.sync();
  }

  cut() {
    this.#hub.stop();
  }

  reconnect(resumes) {
    if (!resumes) this.#hub.restart();
    this.#hub.start();
  }

  close() {
    this.#hub.close();
  }
}

/** How long things happen, in milliseconds. */
const BUSY_MS = 8_000;

const KEYS = [["list"], ["item", 0], ["item", 1], ["item", 2], ["pages"]];

/**
 * Runs one world until nothing moves any more. `bind(client, queryClient)` returns `(rules) => options`. Returns what is
 * wrong, or undefined.
 */
export async function run(seed, bind, counts = {}, Server = StandIn) {
  const next = random(seed);
  const below = (count) => Math.floor(next() * count);
  const chance = (of) => next() < of;
  const clock = new Clock();
  const restore = clock.install();
  // Rare things are not in every world, so that they do not hide others.
  const has = Object.fromEntries(
    [
      "failures",
      "removal",
      "offline",
      "hydration",
      "cancels",
      "interval",
      "ownWrites",
      "disabled",
      "slow",
      "persister",
      "staleTime",
      "silent",
    ].map((name) => [name, chance(0.3)]),
  );
  const delay = () => (chance(0.1) ? below(1_500) : below(has.slow ? 400 : 60));
  const server = new Server(clock, delay);
  const saved = new Map();
  /** Restores what it saved before. */
  const persister = async (queryFn, context, query) => {
    if (query.state.data === undefined && saved.has(query.queryHash)) return saved.get(query.queryHash);
    const data = await queryFn(context);
    saved.set(query.queryHash, data);
    return data;
  };
  const queryClient = new QueryClient({
    defaultOptions: {
      queries: {
        retry: 1,
        retryDelay: 40,
        gcTime: chance(0.5) ? 2_000 : 300_000,
        ...(has.persister && { persister }),
      },
    },
  });
  queryClient.mount();
  const skipOwn = chance(0.5);
  // A `queryFn` that ignores its signal goes on when its query is removed.
  const usesSignal = has.cancels || has.removal || chance(0.5);
  const live = bind(server.client, queryClient);
  const store = [0, 0, 0];
  let isOver = false;
  let fault;
  const running = new Map();

  const readOf = ([kind, id]) => ({ items: kind === "list" ? [...store] : [store[id]] });
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  async function queryFn(context) {
    const { queryKey } = context;
    const name = String(queryKey);
    const count = (running.get(name) ?? 0) + 1;
    running.set(name, count);
    if (count > 1) fault ??= `${count} fetches of ${name} at ${clock.now}`;
    if (server.isAsking) fault ??= `${name} is loaded before its topic is in force at ${clock.now}`;
    let isCounted = true;
    const end = () => {
      if (isCounted) running.set(name, running.get(name) - 1);
      isCounted = false;
    };
    // TanStack Query cancels an infinite query that has a persister as if its `queryFn` read the signal.
    if (usesSignal || name === "pages") context.signal.addEventListener("abort", end);
    await sleep(delay());
    const data = readOf(queryKey[0] === "pages" ? ["item", context.pageParam] : queryKey);
    await sleep(delay());
    end();
    counts.loads = (counts.loads ?? 0) + 1;
    if (has.failures && !isOver && chance(0.2)) throw new Error("no answer");
    return data;
  }

  const optionsOf = (key) => ({
    ...live({
      concerns: (event) => key[0] !== "item" || event.payload.id === key[1],
      skipOwn: skipOwn && has.ownWrites,
    }),
    queryKey: key,
    queryFn,
    ...(has.interval && key[1] === 1 && { refetchInterval: 700 }),
    ...(has.staleTime && { staleTime: Number.POSITIVE_INFINITY }),
    ...(key[0] === "pages" && {
      initialPageParam: 0,
      getNextPageParam: (_last, pages) => (pages.length < store.length ? pages.length : undefined),
    }),
  });
  const mounted = [];
  const mount = (key = KEYS[below(KEYS.length)]) => {
    const Observer = key[0] === "pages" ? InfiniteQueryObserver : QueryObserver;
    const observer = new Observer(queryClient, optionsOf(key));
    mounted.push({ observer, key, unsubscribe: observer.subscribe(() => {}) });
  };
  const some = () => mounted[below(mounted.length)];
  const someKey = () => KEYS[below(KEYS.length)];
  let snapshot;

  const write = (isOwn) => {
    const [id, value] = [below(3), below(1_000_000)];
    let origin;
    if (isOwn) {
      origin = server.write();
      queryClient.setQueryData(["list"], (old) => old && { items: old.items.with(id, value) });
      queryClient.setQueryData(["item", id], (old) => old && { items: [value] });
      queryClient.setQueryData(
        ["pages"],
        (old) =>
          old && { ...old, pages: old.pages.map((page, at) => (at === id ? { items: [value] } : page)) },
      );
    }
    const commit = () => {
      store[id] = value;
      setTimeout(
        () => server.publish({ domain: "staff", event: "changed", payload: { id } }, origin),
        delay(),
      );
    };
    if (!isOwn) commit();
    else if (chance(0.8)) setTimeout(commit, delay());
    else
      setTimeout(() => {
        for (const queryKey of [["list"], ["item", id], ["pages"]])
          queryClient.invalidateQueries({ queryKey }, { cancelRefetch: usesSignal });
      }, delay());
  };

  const actions = [
    ...Array(12).fill(() => write(has.ownWrites && chance(0.5))),
    ...Array(4).fill(() => mounted.length < 8 && mount()),
    ...Array(4).fill(() => {
      if (!mounted.length) return;
      const [{ unsubscribe }] = mounted.splice(below(mounted.length), 1);
      unsubscribe();
    }),
    ...Array(2).fill(() => some()?.observer.refetch({ cancelRefetch: usesSignal && chance(0.5) })),
    () =>
      queryClient.invalidateQueries({ queryKey: someKey() }, { cancelRefetch: usesSignal && chance(0.5) }),
    () => queryClient.invalidateQueries({ queryKey: someKey(), refetchType: "none" }),
    () => {
      // A change without an event, of which the page knows. A removed query does not hear of it. Nor does one that is
      // loaded after a mark, if the user wants to leave its fetch alone: TanStack Query does not tell.
      if (!has.silent || has.removal || !usesSignal) return;
      const id = below(3);
      store[id] = below(1_000_000);
      queryClient.invalidateQueries();
    },
    () => {
      const one = mounted.find(({ key }) => key[0] === "pages");
      one?.observer.fetchNextPage({ cancelRefetch: usesSignal && chance(0.5) });
    },
    () => queryClient.prefetchQuery(optionsOf(KEYS[below(4)])),
    () => queryClient.setQueryData(someKey(), (old) => old && { ...old }),
    () => {
      focusManager.setFocused(false);
      focusManager.setFocused(true);
    },
    () => server.lag(),
    () => {
      server.cut();
      setTimeout(() => server.reconnect(chance(0.6)), chance(0.2) ? 5_000 : delay());
    },
    () => {
      // Renders again.
      const one = some();
      one?.observer.setOptions({ ...optionsOf(one.key), enabled: !(has.disabled && chance(0.3)) });
    },
    () => {
      if (has.offline) {
        onlineManager.setOnline(false);
        setTimeout(() => onlineManager.setOnline(true), delay());
      }
    },
    () => has.cancels && queryClient.cancelQueries({ queryKey: someKey() }),
    () => has.removal && queryClient.removeQueries({ queryKey: someKey() }),
    () => has.removal && queryClient.resetQueries({ queryKey: someKey() }),
    () => has.removal && chance(0.2) && queryClient.clear(),
    () => {
      if (has.hydration) snapshot = JSON.parse(JSON.stringify(dehydrate(queryClient)));
    },
    () => {
      if (!snapshot) return;
      for (const { state } of snapshot.queries) state.dataUpdatedAt = Date.now();
      hydrate(queryClient, snapshot);
    },
  ];

  try {
    if (chance(0.7)) mount();
    if (chance(0.2)) {
      // The first loads begin without their topics.
      server.cut();
      setTimeout(() => server.reconnect(true), 3_000 + below(2_000));
    }
    while (clock.now < BUSY_MS) {
      await clock.advance(chance(0.3) ? below(3) : below(300));
      actions[below(actions.length)]();
    }
    isOver = true;
    onlineManager.setOnline(true);
    await clock.advance(6_000);
    server.reconnect(false);
    for (const { observer, key } of mounted)
      if (observer.options.enabled === false) observer.setOptions(optionsOf(key));
    await clock.advance(10_000);
    for (const { observer, key } of mounted) {
      const { data, status, fetchStatus, isStale } = observer.getCurrentResult();
      counts.checked = (counts.checked ?? 0) + 1;
      if (status === "error") counts.errors = (counts.errors ?? 0) + 1;
      // The user has cancelled the first load.
      else if (has.cancels && status === "pending" && fetchStatus === "idle")
        counts.cancelled = (counts.cancelled ?? 0) + 1;
      else {
        const shown = key[0] === "pages" ? data?.pages.flatMap(({ items }) => items) : data?.items;
        const stored = key[0] === "pages" ? store.slice(0, shown?.length) : readOf(key).items;
        if (String(shown) !== String(stored))
          fault ??= `${key} shows ${shown}, the store has ${stored} (${status}, ${fetchStatus}, stale: ${isStale})`;
      }
    }
    for (const { unsubscribe } of mounted) unsubscribe();
    queryClient.unmount();
    queryClient.clear();
    await clock.advance(40_000);
    if (server.subscriptions) fault ??= `${server.subscriptions} subscriptions were left`;
    server.close?.();
    if (Server === StandIn && clock.pending) fault ??= `${clock.pending} timers were left`;
    if (server.errors.length) fault ??= String(server.errors[0]);
    return fault;
  } finally {
    restore();
  }
}
