// What one delivery costs the browser's client, from the WebSocket's text to the subscriber's callback: the packed
// package in Node, with the server that its tests play. The argument is the folder that it is unpacked into. Measured is
// CPU time, that of the garbage collector included, because it survives what else the machine does.
import { FakeWebSocket, socket } from "../../../client-wasm/npm/test/fake.js";

const ROUNDS = 25;
const MICROSECONDS = 100_000;
const ID = "0198c0de-0000-7000-8000-000000000001";

const dist = `${process.argv[2]}/node_modules/tidings/dist`;
const { createClient } = await import(`${dist}/index.js`);
const { staff } = await import(`${dist}/domains.js`);
globalThis.WebSocket = FakeWebSocket;
const client = createClient({ url: "http://127.0.0.1:1/v1/ws", domains: [staff] });
let heard = 0;
await client.subscribe(staff.topics.people, () => {
  heard += 1;
}).ready;

let position = 8;

/** A frame whose payload has so many bytes. */
function frame(bytes) {
  position += 1;
  const bare = JSON.stringify({ uuid: ID, text: "" }).length;
  const payload = { uuid: ID, text: "x".repeat(Math.max(bytes - bare, 0)) };
  return JSON.stringify({
    op: "event",
    position: `000000000abc.${position}.0000001f`,
    key: "0198c0de-0000-7000-8000-00000000abcd",
    at: 1_790_000_000_000,
    topics: ["staff:people"],
    event: { domain: "staff", event: "person_updated", payload },
  });
}

/** Microseconds of each, over a round. */
function round(bytes, act) {
  let spent = 0;
  let count = 0;
  while (spent < MICROSECONDS) {
    const frames = Array.from({ length: 256 }, () => frame(bytes));
    const start = process.cpuUsage();
    frames.forEach(act);
    const { user, system } = process.cpuUsage(start);
    spent += user + system;
    count += frames.length;
  }
  return spent / count;
}

function spread(bytes, act) {
  round(bytes, act);
  const all = Array.from({ length: ROUNDS }, () => round(bytes, act));
  const sorted = all.sort((a, b) => a - b);
  const [least, median, most] = [sorted[0], sorted[ROUNDS >> 1], sorted[ROUNDS - 1]].map((one) =>
    one.toFixed(2),
  );
  return `${median} (${least} to ${most})`;
}

console.log("\nwasm: one delivery in the browser's client, in Node; CPU µs\n");
console.log("| bytes of payload | to the subscriber | `JSON.parse` alone |\n|---|---|---|");
for (const bytes of [128, 1024]) {
  const before = heard;
  let given = 0;
  const delivered = spread(bytes, (text) => {
    given += 1;
    socket().receive(text);
  });
  if (heard - before !== given) {
    throw new Error(`${given} events were given, ${heard - before} heard`);
  }
  console.log(`| ${bytes} | ${delivered} | ${spread(bytes, (text) => JSON.parse(text))} |`);
}
client.close();
