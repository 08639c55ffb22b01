// The backend: a store in memory. It announces each write after the write is done.
import { createServer } from "node:http";

const { TIDINGS = "http://127.0.0.1:7700", PORT = "4000" } = process.env;

const people = new Map(
  ["Ada", "Grace", "Edsger"].map((name, n) => {
    const uuid = `0198c0de-0000-7000-8000-00000000000${n}`;
    return [uuid, { uuid, name }];
  }),
);

/** Tells every page that a person was updated. `origin` says which page caused it. */
async function announce(uuid, origin) {
  const event = { domain: "staff", event: "person_updated", payload: { uuid } };
  const answer = await fetch(`${TIDINGS}/v1/publish`, {
    method: "POST",
    body: JSON.stringify({ event, origin }),
  });
  if (!answer.ok) throw new Error(`the event was not published: ${answer.status}`);
}

async function answer(request) {
  const [, uuid] = /^\/api\/people\/(.+)$/.exec(request.url) ?? [];
  if (request.method === "GET" && request.url === "/api/people") return [...people.values()];
  if (request.method === "GET") return people.get(uuid);
  if (request.method !== "PUT" || !people.has(uuid)) return undefined;
  let body = "";
  for await (const chunk of request) body += chunk;
  const { name } = JSON.parse(body);
  if (typeof name !== "string" || name === "") return undefined;
  people.set(uuid, { uuid, name });
  await announce(uuid, request.headers["tidings-origin"]);
  return people.get(uuid);
}

const server = createServer(async (request, response) => {
  try {
    const found = await answer(request);
    response.writeHead(found ? 200 : 404, { "Content-Type": "application/json" });
    response.end(JSON.stringify(found ?? {}));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
server.listen(Number(PORT), "127.0.0.1", () =>
  console.log(`listening on http://127.0.0.1:${server.address().port}`),
);
