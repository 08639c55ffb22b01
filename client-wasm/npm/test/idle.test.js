// A client without subscriptions and publishes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mock, test } from "node:test";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { socket, sockets, useFake } from "./fake.js";
import { serve, skip } from "./serve.js";

const PEOPLE = staff.topics.people;

test("an idle client keeps its connection for 30 seconds, then closes it", async (t) => {
  let now = 1_000;
  const real = mock.method(performance, "now", () => now);
  t.after(() => real.mock.restore());
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const turn = () => new Promise(setImmediate);
  const pass = async (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
    await turn();
    t.mock.timers.tick(0);
    await turn();
  };
  useFake(t);
  const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
  t.after(() => client.close());
  const subscribed = async () => {
    const subscription = client.subscribe(PEOPLE, () => {});
    let isReady = false;
    subscription.ready.then(() => {
      isReady = true;
    });
    while (!isReady) await pass(1);
    return subscription;
  };
  (await subscribed()).unsubscribe();
  await pass(1);
  await pass(29_000);
  socket().receive({ op: "ping" });
  const again = await subscribed();
  await pass(20_000);
  socket().receive({ op: "ping" });
  await pass(20_000);
  assert.deepEqual([client.status, sockets.length], ["open", 1]);
  again.unsubscribe();
  await pass(1);
  await pass(29_990);
  assert.equal(client.status, "open");
  await pass(10);
  assert.equal(client.status, "idle");
  assert.equal(socket().readyState, 3);
  await subscribed();
  assert.deepEqual([client.status, sockets.length], ["open", 2]);
});

/** Runs a script against a server. Returns its output and how it ended. */
function script(t, url, text) {
  const args = ["--experimental-websocket", "--no-warnings", "--input-type=module", "--eval", text];
  const child = spawn(process.execPath, args, {
    cwd: import.meta.dirname,
    env: { ...process.env, SERVER: `${url}/v1/ws` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  const hear = [];
  child.stdout.on("data", (data) => {
    said += data;
    for (const look of hear) look();
  });
  const ended = new Promise((resolve) => child.on("close", (code) => resolve({ code, said })));
  const says = (line) =>
    new Promise((resolve) => {
      const look = () => said.includes(line) && resolve();
      hear.push(look);
      look();
    });
  return { ended, says };
}

const BEGIN = `
  import { createClient } from "tidings";
import { staff } from "tidings/domains";
  const client = createClient({ url: process.env.SERVER });
  const event = { domain: "staff", event: "person_updated", payload: { uuid: crypto.randomUUID() } };
`;

test("a script that has unsubscribed ends at once, although its connection lingers", {
  skip,
}, async (t) => {
  const { url } = await serve(t);
  const { ended } = script(
    t,
    url,
    `${BEGIN}
    let sockets = 0;
    globalThis.WebSocket = class extends WebSocket {
      constructor(...given) {
        super(...given);
        sockets++;
      }
    };
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    for (let n = 0; n < 3; n++) {
      const subscription = client.subscribe(staff.topics.people, () => {});
      await subscription.ready;
      await client.publish(event);
      subscription.unsubscribe();
      await wait(300);
    }
    const begun = performance.now();
    process.on("exit", () => console.log(sockets, client.status, performance.now() - begun < 20_000));
    `,
  );
  assert.deepEqual(await ended, { code: 0, said: "1 open true\n" });
});

test("a script that subscribes goes on while its server is away", { skip }, async (t) => {
  const { server, url, port } = await serve(t);
  const { ended, says } = script(
    t,
    url,
    `${BEGIN}
    // A subscription that came and went is no reason to end.
    client.subscribe(staff.topics.teams, () => {}).unsubscribe();
    await client.publish(event);
    const subscription = client.subscribe(staff.topics.people, () => {}, {
      onSync: () => {
        console.log("synced");
        subscription.unsubscribe();
      },
    });
    await subscription.ready;
    client.on("status", (status) => status === "reconnecting" && console.log("reconnecting"));
    console.log("ready");
    `,
  );
  await says("ready");
  server.kill("SIGKILL");
  await says("reconnecting");
  await serve(t, port);
  const { code, said } = await ended;
  assert.equal(code, 0);
  assert.match(said, /synced/);
});
