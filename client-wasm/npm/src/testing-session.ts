// The test hub's side of one connection.

import { textOf } from "./arguments.js";
import type { ServerCode } from "./errors.js";
import { type ClientFrame, nameFault, readFrame, topicName } from "./testing-frames.js";
import { type Log, type Publication, uuid } from "./testing-log.js";
import type { PublishedEvent, Records, Rules, TopicCode } from "./testing-rules.js";
import { inBackground } from "./testing-turn.js";
import type { UntypedEvent } from "./topics.js";

/** Milliseconds between two pings. A client that hears nothing for 10 s longer comes back by a new connection. */
const HEARTBEAT_MS = 25_000;

/** Milliseconds from the end of a token to the end of its session. */
const EXPIRY_GRACE_MS = 5_000;

/** The limits that the hub announces: those of a server. */
const LIMITS = {
  max_message_bytes: 65_536,
  max_topics_per_session: 1_024,
  max_topics_per_frame: 128,
  frames_per_second: 100,
};

/** Topics that one publication may reach. */
const MAX_TOPICS_PER_PUBLICATION = 1_024;

/** The close code of each code that ends a session. */
const CLOSE: Record<string, number> = {
  invalid_frame: 4400,
  hello_required: 4400,
  unauthorized: 4401,
  token_expired: 4401,
  token_not_yet_valid: 4425,
  overloaded: 4503,
};

/** What a session shares with the others. */
export interface Shared {
  readonly log: Log;
  readonly rules: Rules;
  readonly published: Records<PublishedEvent>;
  readonly frames: Records<ClientFrame>;
  /** A new number: no two sessions and no two keys have the same. */
  next(): number;
  /** The log has something new. */
  appended(): void;
}

/** The other end of the connection. */
export interface Peer {
  send(frame: object): void;
  /** Lets what is due arrive now. A test may let much fake time pass at once, in which no promise is settled. */
  flush(): void;
  /** Closes the connection after everything that was sent. */
  close(code: number): void;
}

type Refusal = [code: ServerCode, message: string];

type FrameOf<Op> = Extract<ClientFrame, { op: Op }>;

/** A session reads the log from its position, as a session of a server does. */
export class Session {
  #shared: Shared;
  #peer: Peer;
  #stage: "new" | "open" | "ended" = "new";
  /** The topics, and the offset after which each gets publications. */
  #topics = new Map<string, number>();
  /** The session has had everything up to this offset. */
  #offset = 0;
  /** It has had a topic. Before its first topic, a subscribe may set it back. */
  #hasStarted = false;
  /** A subscribe has more frames to come. Until then the session reads nothing. */
  #isPaused = false;
  /** Since when the journal is away, as the client has heard. */
  #awaySince: number | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #expiry: ReturnType<typeof setTimeout> | undefined;

  constructor(shared: Shared, peer: Peer) {
    this.#shared = shared;
    this.#peer = peer;
  }

  get topics(): Iterable<string> {
    return this.#topics.keys();
  }

  /** Handles a message of the client. */
  handle(text: string): void {
    if (this.#stage === "ended") return;
    const frame = readFrame(text);
    if ("code" in frame && frame.code === "invalid_frame") this.#end(frame.code, frame.message);
    else if ("code" in frame && this.#stage === "open") this.#refuse(frame.ref, frame.code, frame.message);
    else if (this.#stage === "new" && !("op" in frame && frame.op === "hello"))
      this.#end("hello_required", "the first frame is a hello", "ref" in frame ? frame.ref : undefined);
    else if ("op" in frame) this.#obey(frame);
  }

  #obey(frame: ClientFrame): void {
    this.#shared.frames.add(frame);
    switch (frame.op) {
      case "hello":
        this.#hello();
        break;
      case "subscribe":
        this.#subscribe(frame);
        break;
      case "unsubscribe":
        this.#unsubscribe(frame);
        break;
      case "publish":
        this.#publish(frame);
        break;
      case "token":
        this.#token(frame);
        break;
      case "ping":
        this.#peer.send({ op: "pong", ref: frame.ref });
        break;
    }
  }

  /** Sends what the log has after the session's position. */
  read(): void {
    const { log } = this.#shared;
    if (this.#stage !== "open" || this.#isPaused) return;
    if (this.#offset < log.tail) {
      const topics = [...this.#topics.keys()];
      if (topics.length) this.#peer.send({ op: "sync", position: log.position(log.head), topics });
    } else for (const publication of log.after(this.#offset)) this.#deliver(publication);
    this.#offset = log.head;
    if (this.#awaySince === log.awaySince) return;
    this.#awaySince = log.awaySince;
    if (log.awaySince === undefined)
      this.#peer.send({ op: "restored", position: log.position(this.#offset) });
    else this.#peer.send({ op: "degraded", since: log.awaySince });
  }

  #deliver(publication: Publication): void {
    const { offset, position, key, at, origin, event } = publication;
    const wants = (topic: string) => (this.#topics.get(topic) ?? offset) < offset;
    const topics = (publication.topics ?? [...this.#topics.keys()]).filter(wants);
    if (!topics.length) return;
    if (event) this.#peer.send({ op: "event", position, key, at, origin, topics, event });
    else this.#peer.send({ op: "sync", position, topics });
  }

  /** Takes topics away, because the right to them is gone. */
  revoke(topics: readonly string[], code: TopicCode): void {
    const lost = topics.filter((topic) => this.#topics.delete(topic));
    if (lost.length) this.#peer.send({ op: "unsubscribed", topics: lost, code });
  }

  /** Tells the client to come back, and closes. */
  goAway(): void {
    if (this.#stage === "ended") return;
    this.#peer.send({ op: "goaway", retry_after_ms: 0 });
    this.left();
    this.#peer.close(1012);
  }

  /** The connection is over. */
  left(): void {
    this.#stage = "ended";
    this.#topics.clear();
    clearInterval(this.#heartbeat);
    clearTimeout(this.#expiry);
  }

  #hello(): void {
    const { log, rules } = this.#shared;
    if (this.#stage === "open") {
      this.#refuse(undefined, "forbidden", "this session has had its hello; send `token`");
      return;
    }
    if (rules.refusedTokens) {
      this.#end(rules.refusedTokens, "the test refuses tokens");
      return;
    }
    this.#stage = "open";
    this.#offset = log.head;
    this.#peer.send({
      op: "welcome",
      session: uuid(this.#shared.next()),
      tenant: "test",
      position: log.position(this.#offset),
      heartbeat_ms: HEARTBEAT_MS,
      ...this.#life(),
      limits: LIMITS,
    });
    this.read();
    this.#heartbeat = inBackground(
      setInterval(() => {
        const position = this.#isPaused ? undefined : log.position(this.#offset);
        this.#peer.send({ op: "ping", position });
        this.#peer.flush();
      }, HEARTBEAT_MS),
    );
  }

  #token({ ref }: FrameOf<"token">): void {
    const { refusedTokens } = this.#shared.rules;
    if (refusedTokens) this.#refuse(ref, refusedTokens, "the test refuses tokens");
    else this.#peer.send({ op: "token_accepted", ref, ...this.#life() });
  }

  /** Begins the life of a token. */
  #life(): { expires_at?: number; expires_in_ms?: number } {
    const { tokenLife } = this.#shared.rules;
    if (tokenLife === undefined) return {};
    clearTimeout(this.#expiry);
    const end = () => this.#end("token_expired", "the token has ended");
    this.#expiry = inBackground(setTimeout(end, tokenLife + EXPIRY_GRACE_MS));
    return { expires_at: Date.now() + tokenLife, expires_in_ms: tokenLife };
  }

  #subscribe({ ref, topics, since, more = false }: FrameOf<"subscribe">): void {
    const { log } = this.#shared;
    if (topics.length > LIMITS.max_topics_per_frame) {
      this.#pause(more);
      this.#refuseFrame(ref, topics.length);
      return;
    }
    const judged = topics.map((text) => this.#judge(text));
    const start = this.#start(since);
    for (const one of judged) {
      if (one.code || this.#topics.has(one.topic)) continue;
      if (this.#topics.size >= LIMITS.max_topics_per_session) one.code = "too_many_topics";
      else this.#topics.set(one.topic, start.after);
    }
    this.#hasStarted ||= this.#topics.size > 0;
    const outcomes = judged.map(({ topic, code }) =>
      code ? { topic, outcome: "refused", code } : { topic, outcome: start.outcome },
    );
    this.#peer.send({ op: "subscribed", ref, position: log.position(this.#offset), topics: outcomes });
    this.#pause(more && this.#topics.size < LIMITS.max_topics_per_session);
  }

  #judge(text: string): { topic: string; code: TopicCode | undefined } {
    const topic = topicName(text);
    if (!topic) return { topic: text, code: "invalid_topic" };
    return { topic, code: this.#shared.rules.refusedTopics.get(topic) };
  }

  /** Where the topics of a subscribe begin. */
  #start(since: string | undefined): { outcome: "live" | "resumed" | "sync"; after: number } {
    const { log } = this.#shared;
    if (since === undefined) return { outcome: "live", after: this.#offset };
    const isOwn = this.#isPaused && since === log.position(this.#offset);
    const from = log.resumable(since) ?? (isOwn ? this.#offset : undefined);
    if (from === undefined) return { outcome: "sync", after: this.#offset };
    if (from < this.#offset) {
      if (this.#hasStarted) return { outcome: "sync", after: this.#offset };
      this.#offset = from;
    }
    return { outcome: "resumed", after: from };
  }

  #pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.read();
  }

  #unsubscribe({ ref, topics }: FrameOf<"unsubscribe">): void {
    if (topics.length > LIMITS.max_topics_per_frame) {
      this.#refuseFrame(ref, topics.length);
      return;
    }
    const names = topics.map((text) => topicName(text) ?? text);
    for (const name of names) this.#topics.delete(name);
    this.#peer.send({ op: "unsubscribed", ref, topics: names });
  }

  #publish({ ref, event, topics: named, key, origin }: FrameOf<"publish">): void {
    const reached = this.#reach(event, named);
    if (reached instanceof Set)
      this.#publishTo([...reached], { ref, event, origin, key: key ?? uuid(this.#shared.next()) });
    else this.#refuse(ref, ...reached);
  }

  #publishTo(
    topics: string[],
    publish: Pick<PublishedEvent, "event" | "origin" | "key"> & { ref: number },
  ): void {
    const { log, published } = this.#shared;
    const { ref, event, origin, key } = publish;
    const refusal: Refusal | undefined =
      log.awaySince === undefined ? this.#refusal(topics, key) : ["overloaded", "the journal is away"];
    if (refusal) {
      this.#refuse(ref, ...refusal);
      return;
    }
    const known = log.byKey(key);
    const { position } = known ?? log.append({ key, origin, topics, event });
    if (!known) published.add({ event, topics, key, origin });
    this.#peer.send({ op: "published", ref, key, position, topics: known?.topics ?? topics });
    this.#shared.appended();
  }

  /** Why a publication is refused. */
  #refusal(topics: readonly string[], key: string): Refusal | undefined {
    const { log, rules } = this.#shared;
    const max = MAX_TOPICS_PER_PUBLICATION;
    if (topics.length > max) return ["too_many_topics", `a publication reaches at most ${max} topics`];
    const refused = topics.find((topic) => rules.refusedTopics.get(topic) === "forbidden");
    if (refused) return ["forbidden", `the test refuses ${refused}`];
    const known = log.byKey(key)?.topics;
    const isSame =
      !known || (known.length === topics.length && topics.every((topic) => known.includes(topic)));
    return isSame ? undefined : ["forbidden", "the key was used for a publication to other topics"];
  }

  /** The topics that an event reaches, or why they cannot be said. */
  #reach(event: UntypedEvent, named?: readonly string[]): Set<string> | Refusal {
    const fault = nameFault(event);
    if (fault) return ["invalid_event", fault];
    let texts = named;
    if (!texts) {
      const { topicsOf } = this.#shared.rules;
      if (!topicsOf) return ["invalid_event", unknownTopics(event)];
      try {
        texts = topicsOf(event);
      } catch (error) {
        return ["invalid_event", `topicsOf failed: ${textOf(error)}`];
      }
    }
    const topics = new Set<string>();
    for (const text of texts) {
      const topic = topicName(text);
      if (!topic) return ["invalid_topic", `${text} is no topic`];
      topics.add(topic);
    }
    return topics.size ? topics : ["invalid_event", "the event reaches no topic"];
  }

  #refuseFrame(ref: number, count: number): void {
    const max = LIMITS.max_topics_per_frame;
    this.#refuse(ref, "too_many_topics", `a frame names at most ${max} topics, and this names ${count}`);
  }

  #refuse(ref: number | undefined, code: ServerCode, message: string): void {
    this.#peer.send({ op: "error", ref, code, message });
  }

  #end(code: ServerCode, message: string, ref?: number): void {
    this.#refuse(ref, code, message);
    this.left();
    this.#peer.close(CLOSE[code] ?? 1000);
  }
}

const unknownTopics = ({ domain, event }: UntypedEvent): string =>
  `the test hub does not know which topics ${domain}'s ${event} reaches: say it with createTestHub({ topicsOf })`;
