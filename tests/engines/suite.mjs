// The tests of the npm package that each engine has to pass. One browser runs them all, one after the other.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Hub, Relay } from "../browser/hub.mjs";
import { ENGINES } from "./engines.mjs";
import { Site, sign } from "./site.mjs";

/** Milliseconds to wait for a condition. A page that needs longer is broken. */
const PATIENCE_MS = 20_000;

/** Milliseconds after which a test has hung. */
const timeout = 60_000;

const PEOPLE = "staff:people";
const ANNA = "0198c0de-0000-7000-8000-000000000001";

const personUpdated = (uuid = ANNA) => ({ domain: "staff", event: "person_updated", payload: { uuid } });
const uuids = (count) => Array.from({ length: count }, () => crypto.randomUUID());

// Then the drivers, the servers and the display are ended too, each by its `exit` listener.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/** Adds the tests of an engine. */
export function suite(name) {
  const engine = ENGINES[name];
  const skip = (what) => engine.cannot[what] ?? false;
  let browser;
  let window;

  before(async () => {
    const begun = performance.now();
    browser = await engine.start();
    window = await browser.first();
    console.log(`${browser.version} started in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  });

  after(() => browser?.close());

  /** Starts a server with a relay and a site, which end with the test. */
  async function stage(t, flags = [], access) {
    const site = await Site.start();
    t.after(() => site.stop());
    let hub = await Hub.start(0, flags, access?.(site));
    t.after(() => hub.end("SIGKILL"));
    const relay = await Relay.start(hub.url);
    t.after(() => relay.stop());
    return {
      site,
      relay,
      get hub() {
        return hub;
      },
      socket: `${relay.url.replace("http", "ws")}/v1/ws`,
      /** Kills the server. The function that it returns starts another one at the same address. */
      async kill() {
        const { port } = new URL(hub.url);
        await hub.end("SIGKILL");
        return async () => {
          hub = await Hub.start(port, flags, access?.(site));
        };
      },
      /** Publishes from the backend. */
      async publish(event) {
        const answer = await fetch(`${hub.url}/v1/publish`, {
          method: "POST",
          body: JSON.stringify({ event }),
        });
        assert.equal(answer.status, 200, await answer.text());
      },
    };
  }

  /** Opens the page of a site in the first window, and creates a client. */
  async function open({ site, socket }, { path = "/", entry = "tidings", url = socket, ...options } = {}) {
    await window.goto(site.url + path);
    await window.call("create", "a", { url, ...options }, entry);
  }

  /** Waits until what a client heard fulfils the condition, and returns it. */
  async function until(what, holds, { tab = "a", at = window } = {}) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const seen = await at.call("look", tab);
      if (holds(seen)) return seen;
      assert.ok(Date.now() < end, `${what}, but ${JSON.stringify(seen)}`);
      await pause(20);
    }
  }

  /**
   * Waits until the client has begun a wait of 4 s. After the loss of its connection it waits 250 ms at most, and after each
   * attempt that fails twice as long. `waitLong` makes it wait as long as it may.
   */
  const untilItWaits = () => until("four attempts were to fail", ({ statuses }) => waits(statuses) === 5);

  /** Waits until the rows show what the store has. */
  async function untilRows({ rows }) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const [texts, wanted] = [await window.call("texts"), Object.values(rows).map(String)];
      if (texts.join() === wanted.join()) return;
      assert.ok(Date.now() < end, `the rows show ${texts}, but the store has ${wanted}`);
      await pause(20);
    }
  }

  const payloads = (all) => all.map(({ uuid }) => uuid);

  for (const entry of ["tidings", "tidings/url"])
    test(`the entry ${entry} loads its core, and a typed event arrives`, { timeout }, async (t) => {
      const on = await stage(t);
      await open(on, { entry });
      const topic = await window.call("person", ANNA);
      assert.equal(topic, `staff:person:${ANNA}`);
      await window.call("subscribe", "a", topic);
      const { key, topics } = await window.call("publish", "a", personUpdated());
      assert.deepEqual(topics, [PEOPLE, topic]);
      const { metas, events } = await until("the event was to come", ({ events }) => events.length === 1);
      assert.deepEqual(events, [{ uuid: ANNA }]);
      const [{ key: heard, decoded, own }] = metas;
      assert.deepEqual({ heard, decoded, own }, { heard: key, decoded: true, own: true });
      const files = await window.call("files");
      assert.equal(files.includes("/core.wasm"), entry === "tidings/url", files.join());
    });

  test("two windows show the store, whichever of them writes", { timeout }, async (t) => {
    const on = await stage(t);
    await open(on);
    const other = await browser.open();
    t.after(() => other.close());
    await other.goto(on.site.url);
    await other.call("create", "a", { url: on.socket }, "tidings");
    const both = [window, other];
    for (const at of both) await at.call("watch", "a", PEOPLE, `${on.site.url}/store`);
    const people = uuids(20);
    for (const [index, uuid] of people.entries()) {
      on.site.store.push(uuid);
      await both[index % 2].call("publish", "a", personUpdated(uuid));
    }
    for (const at of both) {
      const { loads, errors } = await until(
        "both windows were to show 20 people",
        ({ data }) => data?.length === people.length,
        { at },
      );
      assert.deepEqual(errors, []);
      assert.ok(loads <= people.length + 1, `${loads} loads`);
    }
  });

  test("a client in a worker gets an event", { timeout }, async (t) => {
    const on = await stage(t);
    await window.goto(on.site.url);
    assert.equal(await window.call("startWorker", on.socket, PEOPLE), "ready");
    await on.publish(personUpdated());
    assert.deepEqual(await window.call("heard"), { uuid: ANNA });
  });

  test("rows of React converge, through a lost connection, and load nothing when they are shown again", {
    timeout,
  }, async (t) => {
    const on = await stage(t);
    const people = uuids(20);
    for (const uuid of people) on.site.rows[uuid] = 0;
    await open(on);
    await window.call("render", "a", people);
    await untilRows(on.site);
    assert.deepEqual([on.relay.connections, on.site.rowLoads], [1, people.length]);
    for (let write = 1; write <= 60; write++) {
      const uuid = people[(write * 7) % people.length];
      on.site.rows[uuid]++;
      await on.publish(personUpdated(uuid));
      if (write === 30) on.relay.cut();
    }
    await untilRows(on.site);
    // Loads may still follow, 250 ms after the one before.
    let loads;
    do {
      loads = on.site.rowLoads;
      await pause(1_000);
    } while (on.site.rowLoads !== loads);
    assert.ok(loads <= people.length + 60, `${loads} loads`);
    await window.call("render", "a", []);
    await window.call("render", "a", people);
    await untilRows(on.site);
    // If the return caused a load, that load comes before this event.
    on.site.rows[people[0]]++;
    await on.publish(personUpdated(people[0]));
    await untilRows(on.site);
    assert.equal(on.site.rowLoads, loads + 1);
    const { errors } = await window.call("look", "a");
    assert.deepEqual(errors, []);
  });

  test("a client that was cut off resumes, and loads only after an event", { timeout }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    await window.call("watch", "a", PEOPLE, `${on.site.url}/store`);
    await until("the first load was to end", ({ data }) => data);
    on.relay.cut();
    await until("the client was to resume", ({ notices }) => notices.includes("resumed"));
    const [first, ...missed] = uuids(4);
    // If the return caused a load, that load comes before this event.
    await on.publish(personUpdated(first));
    let seen = await until("the event was to come", ({ events, loads }) => events.length && loads > 1);
    assert.equal(seen.loads, 2, "the return loaded");

    on.relay.refuses = true;
    on.relay.cut();
    await until("the connection was to be lost", ({ status }) => status !== "open");
    for (const uuid of missed) {
      on.site.store.push(uuid);
      await on.publish(personUpdated(uuid));
    }
    on.relay.refuses = false;
    seen = await until("the store was to be shown", ({ data }) => data.length === missed.length);
    assert.deepEqual(payloads(seen.events), [first, ...missed]);
    assert.deepEqual([...new Set(seen.notices)].sort(), ["resumed", "watch resumed"]);
    assert.deepEqual(seen.errors, []);
  });

  test("the restart of a server is a sync and a load", { timeout }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    await window.call("watch", "a", PEOPLE, `${on.site.url}/store`);
    await until("the first load was to end", ({ data }) => data);
    const restart = await on.kill();
    // Nobody tells the page of this change.
    on.site.store.push(ANNA);
    await restart();
    let seen = await until("the store was to be shown", ({ data }) => data.length === 1);
    assert.deepEqual(seen.notices.sort(), ["sync", "watch sync"]);
    assert.equal(seen.loads, 2);
    await on.publish(personUpdated());
    seen = await until("the next event was to come", ({ events, loads }) => events.length && loads > 2);
    assert.deepEqual(seen.errors, []);
  });

  test("tokens are refreshed in the open session, and the end of a token that is not ends the client", {
    timeout,
  }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "tidings-engines-"));
    t.after(() => rm(folder, { recursive: true }));
    const [file, key] = [join(folder, "key"), randomBytes(32).toString("hex")];
    await writeFile(file, key);
    const access = (site) => ["--jwt-key-file", file, "--expiry-grace", "0s", "--allow-origin", site.url];
    const on = await stage(t, [], access);
    const rights = { subscribe: ["staff:*"] };
    on.site.token = () => sign(key, 2, rights);
    await open(on, { tokens: "/token" });
    await window.call("create", "fixed", { url: on.socket, token: sign(key, 2, rights) }, "tidings");
    await window.call("create", "none", { url: on.socket }, "tidings");
    await window.call("watch", "a", PEOPLE, `${on.site.url}/store`);
    await window.call("subscribe", "fixed", PEOPLE);
    await assert.rejects(window.call("subscribe", "none", PEOPLE), { code: "unauthorized" });
    await assert.rejects(window.call("subscribe", "fixed", "projects:all"), { code: "forbidden" });

    const ended = await until("the token was to end", ({ status }) => status === "closed", { tab: "fixed" });
    assert.equal(ended.lastError.code, "token_expired");
    const end = Date.now() + PATIENCE_MS;
    while (on.site.tokens < 4) {
      assert.ok(Date.now() < end, `${on.site.tokens} tokens were fetched`);
      await pause(50);
    }
    const { statuses, errors, loads } = await window.call("look", "a");
    assert.deepEqual(statuses, ["connecting", "open"]);
    assert.deepEqual(errors, []);
    assert.equal(loads, 1);
  });

  test("a page that is shown again notices a dead connection", { timeout }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    await window.command("POST", "/window/minimize", {});
    t.after(() => window.command("POST", "/window/rect", { width: 1000, height: 700 }));
    await until("the page was to be hidden", ({ life }) => life.at(-1) === "hidden");
    const [hidden, missed] = uuids(2);
    await on.publish(personUpdated(hidden));
    await until("a hidden page was to get the event", ({ events }) => events.length === 1);
    on.relay.stall();
    await on.publish(personUpdated(missed));
    const begun = Date.now();
    await window.command("POST", "/window/rect", { width: 1000, height: 700 });
    const seen = await until("what was missed was to come", ({ events }) => events.length === 2);
    assert.equal(seen.life.at(-1), "visible");
    assert.deepEqual(payloads(seen.events), [hidden, missed]);
    assert.deepEqual(seen.notices, ["resumed"]);
    // Without a probe the client would notice it 35 s after the last sign of the server.
    assert.ok(Date.now() - begun < 15_000, `it took ${Date.now() - begun} ms`);
  });

  test("a page in the browser's cache has no connection, and resumes on the way back", {
    timeout,
    skip: skip("cache"),
  }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    await window.goto(`${on.site.url}/other`);
    await released(on.relay);
    const [missed] = uuids(1);
    await on.publish(personUpdated(missed));
    await window.back();
    const seen = await until("what was missed was to come", ({ events }) => events.length === 1);
    assert.ok(seen.life.includes("pageshow persisted"), seen.life.join());
    assert.deepEqual(payloads(seen.events), [missed]);
    assert.deepEqual(seen.notices, ["resumed"]);
  });

  test("a page that went into the browser's cache without a connection comes back", {
    timeout,
  }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    await window.call("waitLong");
    on.relay.refuses = true;
    on.relay.cut();
    // Firefox keeps no page in its cache that is connecting.
    await untilItWaits();
    await window.goto(`${on.site.url}/other`);
    on.relay.refuses = false;
    const [missed] = uuids(1);
    await on.publish(personUpdated(missed));
    await pause(500);
    assert.equal(on.relay.connections, 0, "a page in the cache connected");
    await window.back();
    const seen = await until("what was missed was to come", ({ events }) => events.length === 1);
    assert.ok(seen.life.includes("pageshow persisted"), seen.life.join());
    assert.ok(seen.backAfter < 2_000, `it took ${seen.backAfter} ms`);
    assert.deepEqual(seen.notices, ["resumed"]);
  });

  test("a frozen page has no connection, and resumes when it is thawed", {
    timeout,
    skip: skip("freeze"),
  }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    await engine.setFrozen(window, true);
    await released(on.relay);
    const [missed] = uuids(1);
    await on.publish(personUpdated(missed));
    await engine.setFrozen(window, false);
    const seen = await until("what was missed was to come", ({ events }) => events.length === 1);
    assert.ok(seen.life.includes("freeze") && seen.life.includes("resume"), seen.life.join());
    assert.deepEqual(seen.notices, ["resumed"]);
  });

  test("a client reconnects at once when the network is back", { timeout }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    await window.call("waitLong");
    on.relay.refuses = true;
    on.relay.cut();
    await engine.setOnline(window, false);
    t.after(() => engine.setOnline(window, true));
    await untilItWaits();
    on.relay.refuses = false;
    await engine.setOnline(window, true);
    const { life, backAfter } = await until("the client was to be back", ({ status }) => status === "open");
    assert.ok(backAfter < 2_000, `it took ${backAfter} ms`);
    assert.deepEqual(life.slice(-2), ["offline", "online"]);
  });

  test("the error of a device without a network says so", { timeout, skip: skip("offline") }, async (t) => {
    const on = await stage(t);
    on.relay.refuses = true;
    await open(on);
    await engine.setOnline(window, false);
    t.after(() => engine.setOnline(window, true));
    await until("the page was to be offline", ({ isOnline }) => !isOnline);
    await window.call("begin", "a", PEOPLE);
    const { lastError } = await until("an error was to come", ({ lastError }) => lastError);
    assert.equal(lastError.code, "connect_failed");
    assert.match(lastError.hint, /^This device is offline\./);
  });

  const errorCases = [
    {
      what: "a policy that forbids WebAssembly",
      path: "/no-wasm",
      entries: ["tidings", "tidings/url"],
      error: { code: "wasm_unavailable", retryable: false },
      says: /^This page's Content-Security-Policy does not allow WebAssembly/,
      hint: /'wasm-unsafe-eval'/,
    },
    {
      what: "a policy that forbids the connection",
      path: "/no-connection",
      error: { code: "connect_failed", retryable: true },
      says: /^No connection to ws:/,
      hint: /Content-Security-Policy allow it \(connect-src\)\?/,
    },
    {
      what: "a module that was not served",
      missing: "/core-inline",
      error: { code: "wasm_unavailable", retryable: engine.retriesModules },
      says: /^The module with the core was not loaded/,
      hint: /Is its file served/,
    },
    {
      what: "a module of that module that was not served",
      missing: "/chunk",
      error: { code: "wasm_unavailable", retryable: engine.retriesModules },
      says: /^The module with the core was not loaded/,
      hint: /Is its file served/,
    },
    {
      what: "a core that was not served",
      missing: "/core.wasm",
      entries: ["tidings/url"],
      error: { code: "wasm_unavailable", retryable: true },
      says: /the answer is 503/,
      hint: /Is the file served there\?/,
    },
    {
      what: "a server that is not there",
      url: "ws://127.0.0.1:9/v1/ws",
      error: { code: "connect_failed", retryable: true },
      says: /^No connection to ws:/,
      hint: /^Is the server up/,
    },
  ];

  test("errors have codes, and hints for what this engine says", { timeout }, async (t) => {
    const on = await stage(t);
    for (const { what, error, says, hint, entries = ["tidings"], missing, ...options } of errorCases)
      for (const entry of entries) {
        await open(on, { entry, ...options });
        on.site.missing = missing;
        const begun = Date.now();
        await window.call("begin", "a", PEOPLE);
        const { lastError } = await until(`${what} was to be an error`, ({ lastError }) => lastError);
        const { code, retryable } = lastError;
        assert.deepEqual({ code, retryable }, error, `${what}: ${lastError.message}`);
        assert.match(lastError.message, says, what);
        assert.match(lastError.hint, hint, what);
        assert.ok(Date.now() - begun < 9_000, `${what}: the client waited for the handshake's timeout`);
        on.site.missing = undefined;
        if (!retryable) assert.equal((await window.call("look", "a")).status, "closed");
        else if (missing) await until(`${what} was to be tried again`, ({ status }) => status === "open");
      }
    await open(on);
    await assert.rejects(window.call("subscribe", "a", "staff:person:undefined"), { code: "invalid_topic" });
    const wrong = { domain: "staff", event: "person_updated", payload: { uuid: 7 } };
    await assert.rejects(window.call("publish", "a", wrong), { code: "invalid_event" });
    on.site.status = 500;
    await window.call("watch", "a", PEOPLE, `${on.site.url}/store`);
    const { errors } = await until("the load was to fail", ({ errors }) => errors.length);
    assert.deepEqual([errors[0].code, errors[0].retryable], ["load_failed", true]);
    on.site.status = 200;
    await until("the load was to be tried again", ({ data }) => data);
  });

  test("close() releases the connection", { timeout }, async (t) => {
    const on = await stage(t);
    await open(on);
    await window.call("subscribe", "a", PEOPLE);
    assert.equal(on.relay.connections, 1);
    await window.call("close", "a");
    await released(on.relay);
    assert.equal((await window.call("look", "a")).status, "closed");
    await assert.rejects(window.call("publish", "a", personUpdated()), { code: "closed" });
  });
}

/** How often a client has waited. */
const waits = (statuses) => statuses.filter((status) => status === "reconnecting").length;

/** Waits until no connection is open. */
async function released(relay) {
  const end = Date.now() + PATIENCE_MS;
  while (relay.connections) {
    assert.ok(Date.now() < end, "the connection was not closed");
    await pause(20);
  }
}
