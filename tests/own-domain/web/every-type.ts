// Generated from the Rust definitions of the domains. Do not edit.

/** One type at each place where a field can have it. */
export interface EveryTypeUuidHeldPayload {
  /** Alone. */
  alone: string;
  /** It may be absent. */
  optional?: string | null;
  /** It may be `null`. */
  nullable?: string | null;
  /** In a list. */
  list: string[];
  /** In a list of lists. */
  lists: string[][];
  /** In a list with gaps. */
  gaps: (string | null)[];
  /** In a list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeStringHeldPayload {
  /** Alone. */
  alone: string;
  /** It may be absent. */
  optional?: string | null;
  /** It may be `null`. */
  nullable?: string | null;
  /** In a list. */
  list: string[];
  /** In a list of lists. */
  lists: string[][];
  /** In a list with gaps. */
  gaps: (string | null)[];
  /** In a list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeSegmentHeldPayload {
  /** Alone. */
  alone: string;
  /** It may be absent. */
  optional?: string | null;
  /** It may be `null`. */
  nullable?: string | null;
  /** In a list. */
  list: string[];
  /** In a list of lists. */
  lists: string[][];
  /** In a list with gaps. */
  gaps: (string | null)[];
  /** In a list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeShortSegmentHeldPayload {
  /** Alone. */
  alone: string;
  /** It may be absent. */
  optional?: string | null;
  /** It may be `null`. */
  nullable?: string | null;
  /** In a list. */
  list: string[];
  /** In a list of lists. */
  lists: string[][];
  /** In a list with gaps. */
  gaps: (string | null)[];
  /** In a list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeBoolHeldPayload {
  /** Alone. */
  alone: boolean;
  /** It may be absent. */
  optional?: boolean | null;
  /** It may be `null`. */
  nullable?: boolean | null;
  /** In a list. */
  list: boolean[];
  /** In a list of lists. */
  lists: boolean[][];
  /** In a list with gaps. */
  gaps: (boolean | null)[];
  /** In a list that may be absent. */
  optional_list?: boolean[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeU8HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeU16HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeU32HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeI8HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeI16HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeI32HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeF32HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeF64HeldPayload {
  /** Alone. */
  alone: number;
  /** It may be absent. */
  optional?: number | null;
  /** It may be `null`. */
  nullable?: number | null;
  /** In a list. */
  list: number[];
  /** In a list of lists. */
  lists: number[][];
  /** In a list with gaps. */
  gaps: (number | null)[];
  /** In a list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeAnyHeldPayload {
  /** Alone. */
  alone: unknown;
  /** It may be absent. */
  optional?: unknown | null;
  /** It may be `null`. */
  nullable?: unknown | null;
  /** In a list. */
  list: unknown[];
  /** In a list of lists. */
  lists: unknown[][];
  /** In a list with gaps. */
  gaps: (unknown | null)[];
  /** In a list that may be absent. */
  optional_list?: unknown[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeSizeHeldPayload {
  /** Alone. */
  alone: "small" | "large";
  /** It may be absent. */
  optional?: "small" | "large" | null;
  /** It may be `null`. */
  nullable?: "small" | "large" | null;
  /** In a list. */
  list: ("small" | "large")[];
  /** In a list of lists. */
  lists: ("small" | "large")[][];
  /** In a list with gaps. */
  gaps: ("small" | "large" | null)[];
  /** In a list that may be absent. */
  optional_list?: ("small" | "large")[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeColourHeldPayload {
  /** Alone. */
  alone: "red" | "dark_blue" | (string & {});
  /** It may be absent. */
  optional?: "red" | "dark_blue" | (string & {}) | null;
  /** It may be `null`. */
  nullable?: "red" | "dark_blue" | (string & {}) | null;
  /** In a list. */
  list: ("red" | "dark_blue" | (string & {}))[];
  /** In a list of lists. */
  lists: ("red" | "dark_blue" | (string & {}))[][];
  /** In a list with gaps. */
  gaps: ("red" | "dark_blue" | (string & {}) | null)[];
  /** In a list that may be absent. */
  optional_list?: ("red" | "dark_blue" | (string & {}))[] | null;
}

/**
 * - `uuid`: A UUID.
 */
export interface EveryTypeOnUuidHeld {
  domain: "every_type";
  event: "uuid";
  payload: EveryTypeUuidHeldPayload;
}

/**
 * - `string`: A text.
 */
export interface EveryTypeOnStringHeld {
  domain: "every_type";
  event: "string";
  payload: EveryTypeStringHeldPayload;
}

/**
 * - `segment`: A segment.
 */
export interface EveryTypeOnSegmentHeld {
  domain: "every_type";
  event: "segment";
  payload: EveryTypeSegmentHeldPayload;
}

/**
 * - `short_segment`: A segment of 8 bytes at most.
 */
export interface EveryTypeOnShortSegmentHeld {
  domain: "every_type";
  event: "short_segment";
  payload: EveryTypeShortSegmentHeldPayload;
}

/**
 * - `bool`: True or false.
 */
export interface EveryTypeOnBoolHeld {
  domain: "every_type";
  event: "bool";
  payload: EveryTypeBoolHeldPayload;
}

/**
 * - `u8`: 8 bits.
 */
export interface EveryTypeOnU8Held {
  domain: "every_type";
  event: "u8";
  payload: EveryTypeU8HeldPayload;
}

/**
 * - `u16`: 16 bits.
 */
export interface EveryTypeOnU16Held {
  domain: "every_type";
  event: "u16";
  payload: EveryTypeU16HeldPayload;
}

/**
 * - `u32`: 32 bits.
 */
export interface EveryTypeOnU32Held {
  domain: "every_type";
  event: "u32";
  payload: EveryTypeU32HeldPayload;
}

/**
 * - `i8`: 8 bits with a sign.
 */
export interface EveryTypeOnI8Held {
  domain: "every_type";
  event: "i8";
  payload: EveryTypeI8HeldPayload;
}

/**
 * - `i16`: 16 bits with a sign.
 */
export interface EveryTypeOnI16Held {
  domain: "every_type";
  event: "i16";
  payload: EveryTypeI16HeldPayload;
}

/**
 * - `i32`: 32 bits with a sign.
 */
export interface EveryTypeOnI32Held {
  domain: "every_type";
  event: "i32";
  payload: EveryTypeI32HeldPayload;
}

/**
 * - `f32`: A float of 32 bits.
 */
export interface EveryTypeOnF32Held {
  domain: "every_type";
  event: "f32";
  payload: EveryTypeF32HeldPayload;
}

/**
 * - `f64`: A float of 64 bits.
 */
export interface EveryTypeOnF64Held {
  domain: "every_type";
  event: "f64";
  payload: EveryTypeF64HeldPayload;
}

/**
 * - `any`: Any JSON.
 */
export interface EveryTypeOnAnyHeld {
  domain: "every_type";
  event: "any";
  payload: EveryTypeAnyHeldPayload;
}

/**
 * - `size`: A choice that is closed.
 */
export interface EveryTypeOnSizeHeld {
  domain: "every_type";
  event: "size";
  payload: EveryTypeSizeHeldPayload;
}

/**
 * - `colour`: A choice that is open.
 */
export interface EveryTypeOnColourHeld {
  domain: "every_type";
  event: "colour";
  payload: EveryTypeColourHeldPayload;
}

/** An event for each type. */
export type EveryTypeEvent =
  | EveryTypeOnUuidHeld
  | EveryTypeOnStringHeld
  | EveryTypeOnSegmentHeld
  | EveryTypeOnShortSegmentHeld
  | EveryTypeOnBoolHeld
  | EveryTypeOnU8Held
  | EveryTypeOnU16Held
  | EveryTypeOnU32Held
  | EveryTypeOnI8Held
  | EveryTypeOnI16Held
  | EveryTypeOnI32Held
  | EveryTypeOnF32Held
  | EveryTypeOnF64Held
  | EveryTypeOnAnyHeld
  | EveryTypeOnSizeHeld
  | EveryTypeOnColourHeld;

/** The events that `every_type:all` can bring. */
export type EveryTypeAllEvent =
  | EveryTypeOnUuidHeld
  | EveryTypeOnStringHeld
  | EveryTypeOnSegmentHeld
  | EveryTypeOnShortSegmentHeld
  | EveryTypeOnBoolHeld
  | EveryTypeOnU8Held
  | EveryTypeOnU16Held
  | EveryTypeOnU32Held
  | EveryTypeOnI8Held
  | EveryTypeOnI16Held
  | EveryTypeOnI32Held
  | EveryTypeOnF32Held
  | EveryTypeOnF64Held
  | EveryTypeOnAnyHeld
  | EveryTypeOnSizeHeld
  | EveryTypeOnColourHeld;

import type {} from "tidings";

declare module "tidings" {
  interface Topics {
    /** All of them. */
    "every_type:all": EveryTypeAllEvent;
  }
}

/** Builds topics: `topic.staff.person(id)`. */
export const topic = {
  /** Where the events appear. */
  every_type: {
    /** All of them. */
    all: "every_type:all",
  },
} as const;
