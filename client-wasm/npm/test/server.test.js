// Tests with the real server. `cargo xtask test npm` names its program.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { serve, skip } from "./serve.js";

test("an event goes from one client to another, also after a restart of the server", {
  skip,
}, async (t) => {
  const { server, url, port } = await serve(t);
  const [reader, writer] = [1, 2].map(() => createClient({ url: `${url}/v1/ws`, domains: [staff] }));
  t.after(() => {
    reader.close();
    writer.close();
  });
  const uuid = "0198c0de-0000-7000-8000-000000000001";
  const event = { domain: "staff", event: "person_updated", payload: { uuid, note: "kept" } };
  const heard = [];
  let hear = () => {};
  const next = () => new Promise((resolve) => (hear = resolve));
  const synced = new Promise((resolve) => {
    reader.subscribe(
      [staff.topics.people, staff.topics.person(uuid)],
      (event, meta) => {
        heard.push(event);
        hear(meta);
      },
      { onSync: resolve },
    );
  });
  await reader.subscribe(staff.topics.people, () => {}, { onSync: () => {} }).ready;
  const arrived = next();
  const answer = await writer.publish(event);
  const meta = await arrived;
  assert.deepEqual(meta.topics, ["staff:people", `staff:person:${uuid}`]);
  assert.equal(meta.position, answer.position);
  assert.equal(meta.decoded, true);
  assert.deepEqual(heard, [event]);

  // The restart lost the log, so a client that had a position is told to load again.
  server.kill("SIGKILL");
  await new Promise((resolve) => reader.on("status", resolve));
  const again = writer.publish(event);
  await serve(t, port);
  await synced;
  assert.equal((await again).topics.length, 2);
});

/** A key in a file, and a function that makes tokens with it. */
function keys(t) {
  const folder = mkdtempSync(join(tmpdir(), "tidings-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [file, key] = [join(folder, "key"), randomBytes(32).toString("hex")];
  writeFileSync(file, key);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = (seconds, rights) => {
    const claims = { sub: "anna", tenant: "acme", exp: Date.now() / 1000 + seconds, ...rights };
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
  };
  return { file, token };
}

test("a view stays live over many lives of its token, with one connection and no needless load", {
  skip,
}, async (t) => {
  const { file, token } = keys(t);
  const { url } = await serve(t, 0, ["--jwt-key-file", file, "--expiry-grace", "4s"]);
  const published = token(600, { publish: ["*"] });
  const [statuses, errors, shown] = [[], [], []];
  let [calls, stored, loads] = [0, 0, 0];
  const client = createClient({
    url: `${url}/v1/ws`,
    token: () => {
      calls += 1;
      return token(2, { subscribe: ["staff:*"] });
    },
  });
  t.after(() => client.close());
  client.on("status", (status) => statuses.push(status));
  client.on("error", (error) => errors.push(error));
  const view = client.watch(staff.topics.people, {
    load: () => {
      loads += 1;
      return stored;
    },
    onData: (data) => shown.push(data),
  });
  await view.ready;
  while (shown.length < 1) await settle();

  const begun = performance.now();
  for (let writes = 1; calls < 5 || performance.now() - begun < 7_000; writes += 1) {
    assert.ok(performance.now() - begun < 30_000, `${calls} tokens were asked for`);
    stored = writes;
    const event = { domain: "staff", event: "person_created", payload: { uuid: crypto.randomUUID() } };
    const answer = await fetch(`${url}/v1/publish`, {
      method: "POST",
      headers: { Authorization: `Bearer ${published}` },
      body: JSON.stringify({ event }),
    });
    assert.equal(answer.status, 200);
    while (shown.at(-1) !== writes) await settle();
    assert.equal(loads, writes + 1);
  }
  assert.deepEqual(statuses, ["connecting", "open"]);
  assert.deepEqual(errors, []);
});

test("a thousand rows come back from a lost connection without a load", { skip }, async (t) => {
  const { url, port } = await serve(t);
  // A relay between client and server. The test breaks its connections.
  const links = new Set();
  const between = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    links.add(near);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy()).on("close", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  await new Promise((resolve) => between.listen(0, "127.0.0.1", resolve));
  t.after(() => between.close());
  const client = createClient({ url: `ws://127.0.0.1:${between.address().port}/v1/ws` });
  t.after(() => client.close());
  const [heard, told] = [[], []];
  let resumed = 0;
  const rows = Array.from({ length: 1_000 }, (_, row) => `rows:${row}`);
  const options = {
    onResume: () => {
      resumed += 1;
    },
    onSync: (sync) => told.push(sync),
    onError: (error) => told.push(error),
  };
  await Promise.all(
    rows.map((row) => client.subscribe(row, (_, meta) => heard.push(...meta.topics), options).ready),
  );
  const publish = async (row) => {
    const body = JSON.stringify({ event: { domain: "rows", event: "changed", payload: {} }, topics: [row] });
    assert.equal((await fetch(`${url}/v1/publish`, { method: "POST", body })).status, 200);
  };
  for (const link of links) link.destroy();
  const missed = ["rows:3", "rows:500", "rows:999"];
  for (const row of missed) await publish(row);
  while (heard.length < 3) await settle();
  assert.deepEqual([heard, told, resumed], [missed, [], 1_000]);
});

const settle = () => new Promise((resolve) => setTimeout(resolve, 20));
