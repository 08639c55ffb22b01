// Generated from the Rust definitions of the domains. Do not edit.

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

import type {} from "tidings";

declare module "tidings" {
  interface Topics {
    /** The tickets of a queue. */
    [topic: `helpdesk:queue:${string}`]: HelpdeskQueueEvent;
    /** One ticket. */
    [topic: `helpdesk:ticket:${string}`]: HelpdeskTicketEvent;
  }
}

/** Refuses a missing value, which would build a topic without events. */
function segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\[object .*\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === "" ? "empty" : value}: build the topic when it is known.`);
}

/** Builds topics: `topic.staff.person(id)`. */
export const topic = {
  /** The topics of tickets. */
  helpdesk: {
    /** The tickets of a queue. */
    queue: (name: string) => `helpdesk:queue:${segment("`name` of helpdesk:queue:{name}", name)}` as const,
    /** One ticket. */
    ticket: (uuid: string) => `helpdesk:ticket:${segment("`uuid` of helpdesk:ticket:{uuid}", uuid)}` as const,
  },
} as const;
