// Generated from the Rust definitions of the domains. Do not edit.

import type { Domain, Topic } from "tidings";

/** A ticket. */
export interface HelpdeskTicketPayload {
  /** The ticket's id. */
  uuid: string;
  /** The queue of the ticket. */
  queue: string;
}

/** An answer to a ticket. */
export interface HelpdeskReplyPayload {
  /** The ticket. */
  uuid: string;
  /** The author of the answer. */
  author: string;
  /** Whether the answer is hidden from the customer. */
  internal: boolean;
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

/** The events that `helpdesk:ticket:{uuid}` can bring. */
export type HelpdeskTicketEvent =
  | HelpdeskOnTicket
  | HelpdeskOnReply;

/** The events that each topic of `helpdesk` can bring. */
export interface HelpdeskTopics {
  /** The tickets of a queue. */
  [topic: `helpdesk:queue:${string}`]: HelpdeskQueueEvent;
  /** One ticket. */
  [topic: `helpdesk:ticket:${string}`]: HelpdeskTicketEvent;
}

/** The type of `helpdesk`. */
export interface HelpdeskDomain extends Domain<"helpdesk", HelpdeskEvent, HelpdeskTopics> {
  /** The topics of tickets. */
  readonly topics: {
    /** The tickets of a queue. */
    readonly queue: (name: string) => Topic<HelpdeskQueueEvent>;
    /** One ticket. */
    readonly ticket: (uuid: string) => Topic<HelpdeskTicketEvent>;
  };
}

/** The domain `helpdesk`, for `createClient({ domains: [helpdesk] })`. */
export const helpdesk: HelpdeskDomain = {
  name: "helpdesk",
  fingerprint: "d36c4431b2babc6b",
  topics: {
    queue: (name) => `helpdesk:queue:${_segment("`name` of helpdesk:queue:{name}", name)}` as Topic<HelpdeskQueueEvent>,
    ticket: (uuid) => `helpdesk:ticket:${_segment("`uuid` of helpdesk:ticket:{uuid}", uuid)}` as Topic<HelpdeskTicketEvent>,
  },
  events: [
    [["opened", "closed"], [["uuid", "uuid"], ["queue", ["segment", 128]]]],
    [["replied"], [["uuid", "uuid"], ["author", "string"], ["internal", "bool"]]],
  ],
};

/** Refuses a missing value, which would build a topic without events. */
function _segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\[object .*\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === "" ? "empty" : value}: build the topic when it is known.`);
}
