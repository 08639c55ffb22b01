// Against the real server, whose program `cargo xtask test npm` names.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { createClient, topic } from "tidings";

const program = process.env.TIDINGS_BIN;
const skip = !program
  ? "TIDINGS_BIN names no server: `cargo xtask test npm` does"
  : typeof WebSocket === "undefined" && "this Node.js has no WebSocket";

/** Starts the server, on a given port or on any, and waits until it listens. */
async function serve(t, port = 0) {
  const server = spawn(program, ["serve", "--dev", "--listen", `127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(() => server.kill("SIGKILL"));
  const url = await new Promise((resolve, reject) => {
    let said = "";
    server.stdout.on("data", (text) => {
      said += text;
      const found = said.match(/listening on (http:\/\/\S+)/);
      if (found) resolve(found[1]);
    });
    server.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
  return { server, url, port: Number(new URL(url).port) };
}

test("an event goes from one client to another, and so through a restart of the server", {
  skip,
}, async (t) => {
  const { server, url, port } = await serve(t);
  const [reader, writer] = [createClient({ url: `${url}/v1/ws` }), createClient({ url: `${url}/v1/ws` })];
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
      [topic.staff.people, topic.staff.person(uuid)],
      (event, meta) => {
        heard.push(event);
        hear(meta);
      },
      { onSync: resolve },
    );
  });
  await reader.subscribe(topic.staff.people, () => {}, { onSync: () => {} }).ready;
  const arrived = next();
  const answer = await writer.publish(event);
  const meta = await arrived;
  assert.deepEqual(meta.topics, ["staff:people", `staff:person:${uuid}`]);
  assert.equal(meta.position, answer.position);
  assert.equal(meta.decoded, true);
  assert.deepEqual(heard, [event]);

  // Its log is gone with it: whoever held a position is told to load again.
  server.kill("SIGKILL");
  await new Promise((resolve) => reader.on("status", resolve));
  const again = writer.publish(event);
  await serve(t, port);
  await synced;
  assert.equal((await again).topics.length, 2);
});
