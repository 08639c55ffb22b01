// The hub of `tidings/testing` says what the real server says. Each scenario runs against both, and the frames that the
// clients get must be equal. Positions, keys and times are compared by what is equal among them.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock, test } from "node:test";
import { createTestHub } from "tidings/testing";
import { WebSocket } from "ws";
import { serve } from "./serve.js";

const skip = !process.env.TIDINGS_BIN && "TIDINGS_BIN names no server: `cargo xtask test npm` does";
const timeout = 60_000;

/** The events of this domain are known to neither side, so the publisher names their topics. */
const changed = { domain: "rows", event: "changed", payload: { nested: [1, null, "é"] } };
const KEYS = [1, 2, 3].map((n) => `019b78c0-0000-7000-8000-00000000000${n}`);

/** Either side. `t` is the test; `access` are the options of the real server. */
async function real(t, access = ["--dev"]) {
  const folder = mkdtempSync(join(tmpdir(), "tidings-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [file, secret] = [join(folder, "key"), randomBytes(32).toString("hex")];
  writeFileSync(file, secret);
  const journal = join(folder, "journal");
  const names = { KEY: file, JOURNAL: `sqlite:${journal}` };
  const options = access.map((option) => names[option] ?? option);
  let { server, port, url } = await serve(t, 0, options);
  const token = (rights) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { sub: "anna", tenant: "acme", exp: Math.floor(Date.now() / 1000) + 600, ...rights };
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  };
  const post = async (path, body, rights) => {
    const headers = rights ? { Authorization: `Bearer ${token(rights)}` } : {};
    const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200, await answer.clone().text());
  };
  return {
    open: () => new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, "tidings.v1.json"),
    emit: (topics, { key, origin } = {}) => post("/v1/publish", { event: changed, topics, key, origin }),
    emitMany: async (topics, count) => {
      for (let left = count; left > 0; left -= 64) {
        const batch = Array.from({ length: Math.min(left, 64) }, () => ({ event: changed, topics }));
        await post("/v1/publish/batch", batch);
      }
    },
    restart: async () => {
      const ended = new Promise((resolve) => server.on("exit", resolve));
      server.kill("SIGTERM");
      return async () => {
        await ended;
        ({ server } = await serve(t, port, options));
      };
    },
    degrade: async () => {
      // The server must not see one of the files without the other.
      server.kill("SIGSTOP");
      for (const suffix of ["", "-wal"]) renameSync(journal + suffix, file + suffix);
      writeFileSync(journal, "this is no journal");
      server.kill("SIGCONT");
    },
    restore: async () => {
      server.kill("SIGSTOP");
      for (const suffix of ["", "-wal"]) renameSync(file + suffix, journal + suffix);
      server.kill("SIGCONT");
    },
    refuse: (topics) => post("/v1/admin/revoke", { sub: "anna", topics }, { sub: "root", admin: true }),
    token: () =>
      token({ subscribe: ["rows:*"], publish: ["rows:*"], iat: Math.floor(Date.now() / 1000) - 5 }),
    refuseTokens: () => {},
    silence: () => {},
    badToken: () => token({ exp: 1 }),
  };
}

async function fake(t, _, { rights = true } = {}) {
  const topicsOf = ({ payload }) => ["staff:people", `staff:person:${payload.uuid}`];
  const hub = createTestHub(rights ? { topicsOf } : { topicsOf, tokenLife: 600_000 });
  t.after(() => hub.close());
  if (!rights) hub.refuse("other:1");
  return {
    open: () => new hub.WebSocket("ws://example.com/v1/ws", "tidings.v1.json"),
    emit: async (topics, options) => void hub.emit(topics, changed, options),
    emitMany: async (topics, count) => {
      for (let n = 0; n < count; n++) hub.emit(topics, changed);
    },
    restart: async () => {
      hub.restart();
      return async () => {};
    },
    degrade: async () => hub.degrade(),
    restore: async () => hub.restore(),
    refuse: async (topics) => hub.refuse(topics),
    token: () => "a token",
    refuseTokens: () => hub.refuseTokens("token_expired"),
    silence: () => mock.timers.tick(25_000),
    badToken: () => "another token",
  };
}

/** Pings from this number on only wait for the server. Their answers are not compared. */
const FENCE = 1_000;

/** A connection that keeps what it gets. */
async function connect(side) {
  const socket = side.open();
  const got = [];
  let wake = () => {};
  const hear = (what) => {
    got.push(what);
    wake();
  };
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = ({ code }) => hear({ closed: code });
  socket.onerror = () => {};
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  /** Waits for what matches. */
  const until = async (matches) => {
    while (!got.some(matches)) {
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  };
  let fences = FENCE;
  const send = (frame) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  return {
    got,
    send,
    closed: () => until(({ closed }) => closed !== undefined),
    heard: (op) => until((frame) => frame.op === op),
    /**
     * Waits until everything that the server has for this connection has arrived. It answers all frames of one read before
     * it goes on with the log, so the second pong comes after the log.
     */
    fence: async () => {
      for (const ref of [fences++, fences++]) {
        send({ op: "ping", ref });
        await until((frame) => frame.op === "pong" && frame.ref === ref);
      }
    },
  };
}

const lastPosition = ({ got }) => got.findLast(({ position }) => position).position;

/** Each returns the connections whose frames are compared. */
const scenarios = {
  "hello, subscribe, unsubscribe and ping": async (side) => {
    const a = await connect(side);
    a.send({ op: "hello", client: "test/1", domains: { rows: "0123456789abcdef" } });
    a.send({
      op: "subscribe",
      ref: 1,
      topics: ["rows:1", "no topic", "rows:019B78C0-0000-7000-8000-0000000000AA", "rows:1"],
    });
    await a.fence();
    await side.emit(["rows:1", "rows:2"]);
    await a.fence();
    a.send({ op: "ping", ref: 3 });
    a.send({ op: "unsubscribe", ref: 2, topics: ["rows:1", "rows:never", "no topic"] });
    await a.fence();
    await side.emit(["rows:1"]);
    await a.fence();
    return [a];
  },
  "an event on several topics of a session comes once": async (side) => {
    const a = await connect(side);
    a.send({ op: "hello" });
    a.send({ op: "subscribe", ref: 1, topics: ["rows:c", "rows:a", "rows:b"] });
    await a.fence();
    await side.emit(["rows:b", "rows:other", "rows:c", "rows:b"], { key: KEYS[0], origin: "tab" });
    await a.fence();
    return [a];
  },
  "a publish is answered and delivered, once for each key": async (side) => {
    const [a, b] = [await connect(side), await connect(side)];
    for (const one of [a, b]) {
      one.send({ op: "hello" });
      one.send({ op: "subscribe", ref: 1, topics: ["rows:1"] });
      await one.fence();
    }
    const publish = {
      op: "publish",
      event: changed,
      topics: ["rows:1", "rows:2"],
      key: KEYS[0],
      origin: "tab",
    };
    a.send({ ...publish, ref: 2 });
    await a.fence();
    a.send({ ...publish, ref: 3 });
    await a.fence();
    await b.fence();
    b.send({ ...publish, ref: 4, topics: ["rows:2", "rows:1"], origin: "other" });
    b.send({ ...publish, ref: 5, topics: ["rows:1"] });
    b.send({ op: "publish", ref: 6, event: changed, topics: ["no topic"] });
    b.send({ op: "publish", ref: 7, event: changed, topics: [] });
    b.send({ op: "publish", ref: 9, event: { ...changed, event: "two words" }, topics: ["rows:1"] });
    b.send({ op: "publish", ref: 10, event: { ...changed, domain: "" }, topics: ["rows:1"] });
    b.send({ op: "publish", ref: 8, event: changed, topics: ["rows:1"] });
    await b.fence();
    await a.fence();
    return [a, b];
  },
  "the topics of a publish that names none": async (side) => {
    const a = await connect(side);
    const event = { domain: "staff", event: "person_updated", payload: { uuid: KEYS[1] } };
    a.send({ op: "hello" });
    a.send({ op: "subscribe", ref: 1, topics: [`staff:person:${KEYS[1]}`, "staff:people", "staff:teams"] });
    await a.fence();
    a.send({ op: "publish", ref: 2, event, key: KEYS[0] });
    await a.fence();
    return [a];
  },
  "a client that comes back gets what it missed": async (side) => {
    const a = await connect(side);
    a.send({ op: "hello" });
    a.send({ op: "subscribe", ref: 1, topics: ["rows:1", "rows:2"] });
    await a.fence();
    await side.emit(["rows:1"]);
    await a.fence();
    const since = lastPosition(a);
    const [b, c, d] = [await connect(side), await connect(side), await connect(side)];
    for (const [index, topics] of [["rows:2"], ["rows:3"], ["rows:1", "rows:2"]].entries())
      await side.emit(topics, { key: KEYS[index] });
    b.send({ op: "hello" });
    b.send({ op: "subscribe", ref: 1, topics: ["rows:1", "rows:2"], since });
    await b.fence();
    // A session that has passed the position cannot go back.
    b.send({ op: "subscribe", ref: 2, topics: ["rows:3"], since });
    await b.fence();
    // One that has not, can go on from where it is.
    b.send({ op: "subscribe", ref: 3, topics: ["rows:4"], since: lastPosition(b) });
    await b.fence();
    c.send({ op: "hello" });
    c.send({ op: "subscribe", ref: 1, topics: ["rows:1"], since: "no position" });
    c.send({ op: "subscribe", ref: 2, topics: ["rows:2"], since: `${since}0` });
    await c.fence();
    d.send({ op: "hello" });
    d.send({ op: "subscribe", ref: 1, topics: ["no topic"], since });
    d.send({ op: "subscribe", ref: 2, topics: ["rows:1"], since });
    await d.fence();
    return [a, b, c, d];
  },
  "a subscribe in several frames resumes as one": async (side) => {
    const [a, b] = [await connect(side), await connect(side)];
    a.send({ op: "hello" });
    await a.fence();
    const since = a.got[0].position;
    await side.emit(["rows:2"], { key: KEYS[0] });
    b.send({ op: "hello" });
    b.send({ op: "subscribe", ref: 1, topics: ["rows:1"], since, more: true });
    await b.fence();
    await side.emit(["rows:1", "rows:2"], { key: KEYS[1] });
    await b.fence();
    b.send({ op: "subscribe", ref: 2, topics: ["rows:2"], since, more: true });
    b.send({ op: "subscribe", ref: 3, topics: [], since });
    await b.fence();
    return [a, b];
  },
  "too many topics": async (side) => {
    const a = await connect(side);
    const topics = (from, count) => Array.from({ length: count }, (_, n) => `rows:${from + n}`);
    a.send({ op: "hello" });
    a.send({ op: "subscribe", ref: 1, topics: topics(0, 129) });
    a.send({ op: "unsubscribe", ref: 2, topics: topics(0, 129) });
    for (let frame = 0; frame < 8; frame++)
      a.send({ op: "subscribe", ref: 3 + frame, topics: topics(frame * 128, 128) });
    a.send({ op: "subscribe", ref: 11, topics: ["rows:5", "rows:1024", "rows:1025"] });
    a.send({ op: "unsubscribe", ref: 12, topics: ["rows:5"] });
    a.send({ op: "subscribe", ref: 13, topics: ["rows:1024", "rows:1025"] });
    a.send({ op: "publish", ref: 14, event: changed, topics: topics(0, 1_025) });
    await a.fence();
    return [a];
  },
  "a restart sends clients away, and a resume after it gets a sync": async (side) => {
    const a = await connect(side);
    a.send({ op: "hello" });
    a.send({ op: "subscribe", ref: 1, topics: ["rows:1"] });
    await a.fence();
    await side.emit(["rows:1"]);
    await a.fence();
    const since = lastPosition(a);
    const isBack = await side.restart();
    await a.closed();
    await isBack();
    const b = await connect(side);
    b.send({ op: "hello" });
    b.send({ op: "subscribe", ref: 1, topics: ["rows:1"], since });
    await b.fence();
    await side.emit(["rows:1"]);
    await b.fence();
    return [a, b];
  },
  "frames that are none": async (side) => {
    const all = [];
    for (const frames of [
      [{ op: "subscribe", ref: 7, topics: [] }],
      [{ op: "no such op", ref: 7 }],
      ["no JSON"],
      ["[]"],
      [
        { op: "hello" },
        { op: "no such op", ref: 7 },
        { op: "no such op", ref: -1 },
        { op: "hello" },
        { op: "pong" },
        "{}",
      ],
      [{ op: "hello" }, { op: "subscribe", ref: 7, topics: "rows:1" }],
      [{ op: "hello" }, { op: "subscribe", topics: ["rows:1"] }],
      [{ op: "hello" }, { op: "ping", ref: 1.5 }],
      [
        { op: "hello" },
        { op: "publish", ref: 1, event: { domain: "rows", event: "changed" }, topics: ["rows:1"] },
      ],
      [{ op: "hello", token: 7 }],
      [{ op: "hello", domains: { rows: 7 } }],
    ]) {
      const one = await connect(side);
      for (const frame of frames) one.send(frame);
      await one.closed();
      all.push(one);
    }
    return all;
  },
};

/** Scenarios with rights. The real server has tokens, and the test hub is told what to refuse. */
const guarded = {
  "refused topics": async (side) => {
    const a = await connect(side);
    a.send({ op: "hello", token: side.token() });
    a.send({ op: "subscribe", ref: 1, topics: ["rows:1", "rows:2", "other:1"] });
    a.send({ op: "publish", ref: 2, event: changed, topics: ["rows:1", "other:1"] });
    await a.fence();
    await side.refuse(["rows:2"]);
    await a.heard("unsubscribed");
    a.send({ op: "subscribe", ref: 3, topics: ["rows:2"] });
    a.send({ op: "publish", ref: 4, event: changed, topics: ["rows:1"], key: KEYS[0] });
    await a.fence();
    return [a];
  },
  "tokens that are replaced and refused": async (side) => {
    const [a, b] = [await connect(side), await connect(side)];
    a.send({ op: "hello", token: side.token() });
    a.send({ op: "token", ref: 1, token: side.token() });
    await a.fence();
    side.refuseTokens();
    a.send({ op: "token", ref: 2, token: side.badToken() });
    await a.fence();
    b.send({ op: "hello", token: side.badToken() });
    await b.closed();
    return [a, b];
  },
};

const isFence = ({ op, ref }) => op === "pong" && ref >= FENCE;

/** Names what differs from run to run by the order in which it appears, and leaves out what one side need not say. */
function normal(connections) {
  const names = new Map();
  const name = (kind, value) => {
    if (!names.has(value)) names.set(value, `${kind} ${names.size}`);
    return names.get(value);
  };
  const frame = (of) => {
    const { position, session, message, tenant, unknown_domains, ...rest } = of;
    for (const time of ["at", "since", "heartbeat_ms", "expires_at", "expires_in_ms", "retry_after_ms"])
      if (time in rest) rest[time] = typeof rest[time];
    if (position !== undefined) rest.position = name("position", position);
    if (rest.key !== undefined && !KEYS.includes(rest.key)) rest.key = name("key", rest.key);
    if (of.op === "welcome") [rest.session, rest.tenant] = [typeof session, typeof tenant];
    if (of.op === "error") rest.message = typeof message;
    return rest;
  };
  return connections.map(({ got }) => got.filter((of) => !isFence(of)).map(frame));
}

/** The heartbeat of the test hub cannot be set, so its time is advanced. */
async function silence(side) {
  const a = await connect(side);
  a.send({ op: "hello" });
  a.send({ op: "subscribe", ref: 1, topics: ["rows:1"] });
  await a.fence();
  await side.emit(["rows:2"]);
  side.silence();
  await a.heard("ping");
  a.send({ op: "pong" });
  await a.fence();
  return [a];
}

function compare(name, scenario, access, options) {
  test(name, { skip, timeout }, async (t) => {
    const [theirs, ours] = [
      normal(await scenario(await real(t, access))),
      normal(await scenario(await fake(t, access, options))),
    ];
    assert.deepEqual(ours, theirs);
  });
}

for (const [name, scenario] of Object.entries(scenarios)) compare(name, scenario);
for (const [name, scenario] of Object.entries(guarded))
  compare(name, scenario, ["--jwt-key-file", "KEY"], { rights: false });

// It waits 10 s, as long as a server waits for its journal.
compare(
  "a server without its journal",
  async (side) => {
    const a = await connect(side);
    a.send({ op: "hello" });
    a.send({ op: "subscribe", ref: 1, topics: ["rows:1"] });
    await a.fence();
    await side.emit(["rows:1"]);
    await a.fence();
    await side.degrade();
    await a.heard("degraded");
    const b = await connect(side);
    b.send({ op: "hello" });
    b.send({ op: "subscribe", ref: 1, topics: ["rows:1"], since: lastPosition(a) });
    await b.fence();
    await side.restore();
    for (const one of [a, b]) await one.heard("restored");
    await side.emit(["rows:1"]);
    for (const one of [a, b]) await one.fence();
    return [a, b];
  },
  ["--dev", "--journal", "JOURNAL"],
);

compare(
  "a log that holds 1,000 entries resumes a client that missed exactly 1,000",
  async (side) => {
    const a = await connect(side);
    a.send({ op: "hello" });
    await a.fence();
    const since = a.got[0].position;
    await side.emitMany(["rows:1"], 1_000);
    const [b, c] = [await connect(side), await connect(side)];
    b.send({ op: "hello" });
    b.send({ op: "subscribe", ref: 1, topics: ["rows:1"], since });
    await b.fence();
    await side.emitMany(["rows:2"], 1);
    c.send({ op: "hello" });
    c.send({ op: "subscribe", ref: 1, topics: ["rows:1"], since });
    await c.fence();
    assert.equal(b.got.filter(({ op }) => op === "event").length, 1_000);
    // The log loses what came while a subscribe had more frames to come.
    const d = await connect(side);
    d.send({ op: "hello" });
    await d.fence();
    const own = lastPosition(d);
    d.send({ op: "subscribe", ref: 1, topics: ["rows:3"], since: own, more: true });
    await d.fence();
    await side.emitMany(["rows:3", "rows:4"], 1_001);
    d.send({ op: "subscribe", ref: 2, topics: ["rows:4"], since: own });
    await d.fence();
    return [a, b, c, d];
  },
  ["--dev", "--log-max-entries", "1000"],
);

compare(
  "a silent server sends pings with the position",
  async (side) => {
    // The real server needs its real time.
    mock.timers.enable({ apis: ["setInterval"] });
    try {
      return await silence(side);
    } finally {
      mock.timers.reset();
    }
  },
  ["--dev", "--heartbeat", "1s"],
);
