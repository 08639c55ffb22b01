// Generated from the Rust definitions of the domains. Do not edit.

import type { Domain, Topic } from "tidings";

/** A ticket. */
export interface HelpdeskTicketPayload {
  /** The ticket's id. */
  uuid: string;
  /** The queue of the ticket. */
  queue: string;
  /** Who works on it. Absent if nobody does yet. */
  assignee?: string | null;
  /** From 0, which can wait, to 255. */
  priority: number;
  /** Words to find it by. */
  tags: string[];
}

/** An answer to a ticket. */
export interface HelpdeskReplyPayload {
  /** The ticket. */
  uuid: string;
  /** The author of the answer. */
  author: string;
  /** Who may read the answer. */
  audience: "customer" | "agents";
  /** The hours that it took, if they were counted. */
  hours?: number | null;
}

/**
 * - `opened`: A customer opened a ticket.
 * - `closed`: A ticket was closed.
 */
export interface HelpdeskOnTicket {
  domain: "helpdesk";
  event: "opened" | "closed";
  payload: HelpdeskTicketPayload;
}

/**
 * - `replied`: Somebody answered a ticket.
 */
export interface HelpdeskOnReply {
  domain: "helpdesk";
  event: "replied";
  payload: HelpdeskReplyPayload;
}

/** The changes of tickets. */
export type HelpdeskEvent =
  | HelpdeskOnTicket
  | HelpdeskOnReply;

/** The events that `helpdesk:queue:{name}` can bring. */
export type HelpdeskQueueEvent = HelpdeskOnTicket;

/** The events that `helpdesk:agent:{uuid}` can bring. */
export type HelpdeskAgentEvent = HelpdeskOnTicket;

/** The events that `helpdesk:ticket:{uuid}` can bring. */
export type HelpdeskTicketEvent =
  | HelpdeskOnTicket
  | HelpdeskOnReply;

/** The events that each topic of `helpdesk` can bring. */
export interface HelpdeskTopics {
  /** The tickets of a queue. */
  [topic: `helpdesk:queue:${string}`]: HelpdeskQueueEvent;
  /** The tickets of an agent. */
  [topic: `helpdesk:agent:${string}`]: HelpdeskAgentEvent;
  /** One ticket. */
  [topic: `helpdesk:ticket:${string}`]: HelpdeskTicketEvent;
}

/** The type of `helpdesk`. */
export interface HelpdeskDomain extends Domain<"helpdesk", HelpdeskEvent, HelpdeskTopics> {
  /** The topics of tickets. */
  readonly topics: {
    /** The tickets of a queue. */
    readonly queue: (name: string) => Topic<HelpdeskQueueEvent>;
    /** The tickets of an agent. */
    readonly agent: (uuid: string) => Topic<HelpdeskAgentEvent>;
    /** One ticket. */
    readonly ticket: (uuid: string) => Topic<HelpdeskTicketEvent>;
  };
}

/** The domain `helpdesk`, for `createClient({ domains: [helpdesk] })`. */
export const helpdesk: HelpdeskDomain = {
  name: "helpdesk",
  fingerprint: "9ff5925ad7e0a043",
  topics: {
    queue: (name) => `helpdesk:queue:${_segment("`name` of helpdesk:queue:{name}", name)}` as Topic<HelpdeskQueueEvent>,
    agent: (uuid) => `helpdesk:agent:${_segment("`uuid` of helpdesk:agent:{uuid}", uuid)}` as Topic<HelpdeskAgentEvent>,
    ticket: (uuid) => `helpdesk:ticket:${_segment("`uuid` of helpdesk:ticket:{uuid}", uuid)}` as Topic<HelpdeskTicketEvent>,
  },
  events: [
    [["opened", "closed"], [["uuid", "uuid"], ["queue", ["segment", 128]], ["assignee", ["option", "uuid"]], ["priority", ["integer", 0, 255]], ["tags", ["list", "string"]]]],
    [["replied"], [["uuid", "uuid"], ["author", "string"], ["audience", ["choice", ["customer", "agents"]]], ["hours", ["option", "number"]]]],
  ],
};

/** Refuses a missing value, which would build a topic without events. */
function _segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\[object .*\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === "" ? "empty" : value}: build the topic when it is known.`);
}
