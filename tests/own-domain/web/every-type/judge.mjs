// Checks what a client does with each case, in a browser and in Node.js.

const TOPIC = "every_type:all";
const PATIENCE_MS = 60_000;

/** The first words of the error of an event that arrived. */
const ARRIVED = "An event arrived that is not what its domain declares: ";

/** Whether an error names the payload, the field, the expected and the given value. */
function explains({ event, path }, what, { code, message }) {
  const begins = message.startsWith(
    `${what === "arrives" ? ARRIVED : ""}payload of ${event}: ${path && `\`${path}\``}`,
  );
  return code === "invalid_event" && begins && /is missing: expected .|expected .+, found ./s.test(message);
}

/** Returns a line for each case that fails. */
export async function judge({ createClient, server, domain, cases }) {
  const faults = [];
  const check = (theCase, what, error) => {
    const isGood = theCase.kind === "accepted" ? !error : error && explains(theCase, what, error);
    if (!isGood) faults.push(`${theCase.name} ${what}: ${error}`);
  };
  await leave({ createClient, domain, cases, check });
  await arrive({ createClient, server, domain, cases, check });
  return faults;
}

/** Publishes each case with a client that never connects, so that only its core can refuse it. */
async function leave({ createClient, domain, cases, check }) {
  const client = createClient({ url: "ws://127.0.0.1:1/", domains: [domain] });
  client.on("error", () => {});
  const publish = (event, payload, signal) =>
    client
      .publish({ domain: "every_type", event, payload }, { topics: [TOPIC], signal })
      .catch((error) => error);
  // The first publish waits until the core is loaded.
  await publish("u8", {});
  for (const theCase of cases) {
    const abort = new AbortController();
    const left = publish(theCase.event, JSON.parse(theCase.payload), abort.signal);
    const enough = new Error("it would have left");
    abort.abort(enough);
    const error = await left;
    check(theCase, "leaves", error === enough ? undefined : error);
  }
  client.close();
}

/** Posts each case to a server that does not know the domain, and so lets everything pass. */
async function arrive({ createClient, server, domain, cases, check }) {
  const client = createClient({ url: `${server}/v1/ws`, domains: [domain] });
  const told = [];
  const subscription = client.subscribe(TOPIC, (event, meta) => told.push({ event, meta }), {
    onError: (error) => told.push({ error }),
  });
  await subscription.ready;
  for (let at = 0; at < cases.length; at += 64) {
    // As text, because the exact text of a number matters.
    const items = cases
      .slice(at, at + 64)
      .map(
        ({ event, payload }) =>
          `{"event":{"domain":"every_type","event":"${event}","payload":${payload}},"topics":["${TOPIC}"]}`,
      );
    const response = await fetch(`${server}/v1/publish/batch`, { method: "POST", body: `[${items}]` });
    const answers = await response.json();
    if (!answers.every(({ position }) => position)) throw new Error(JSON.stringify(answers));
  }
  const deadline = Date.now() + PATIENCE_MS;
  while (told.length < cases.length) {
    if (Date.now() > deadline) throw new Error(`${told.length} of ${cases.length} arrived`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const [index, theCase] of cases.entries()) {
    const { event, meta, error } = told[index];
    check(theCase, "arrives", error);
    const sent = JSON.stringify(JSON.parse(theCase.payload));
    const isSame = event?.event === theCase.event && JSON.stringify(event.payload) === sent && meta.decoded;
    if (!error && !isSame) check(theCase, "arrives", new Error(`as ${JSON.stringify(event)}`));
  }
  client.close();
}
