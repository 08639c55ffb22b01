// Generated from the Rust definitions of the domains. Do not edit.

/** One type at each place where a field can have it. */
export interface EveryTypeUuidHeldPayload {
  /** A value. */
  alone: string;
  /** A value or an absent key. */
  optional?: string | null;
  /** A value or `null`. */
  nullable?: string | null;
  /** A list. */
  list: string[];
  /** A list of lists. */
  lists: string[][];
  /** A list with gaps. */
  gaps: (string | null)[];
  /** A list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeStringHeldPayload {
  /** A value. */
  alone: string;
  /** A value or an absent key. */
  optional?: string | null;
  /** A value or `null`. */
  nullable?: string | null;
  /** A list. */
  list: string[];
  /** A list of lists. */
  lists: string[][];
  /** A list with gaps. */
  gaps: (string | null)[];
  /** A list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeSegmentHeldPayload {
  /** A value. */
  alone: string;
  /** A value or an absent key. */
  optional?: string | null;
  /** A value or `null`. */
  nullable?: string | null;
  /** A list. */
  list: string[];
  /** A list of lists. */
  lists: string[][];
  /** A list with gaps. */
  gaps: (string | null)[];
  /** A list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeShortSegmentHeldPayload {
  /** A value. */
  alone: string;
  /** A value or an absent key. */
  optional?: string | null;
  /** A value or `null`. */
  nullable?: string | null;
  /** A list. */
  list: string[];
  /** A list of lists. */
  lists: string[][];
  /** A list with gaps. */
  gaps: (string | null)[];
  /** A list that may be absent. */
  optional_list?: string[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeBoolHeldPayload {
  /** A value. */
  alone: boolean;
  /** A value or an absent key. */
  optional?: boolean | null;
  /** A value or `null`. */
  nullable?: boolean | null;
  /** A list. */
  list: boolean[];
  /** A list of lists. */
  lists: boolean[][];
  /** A list with gaps. */
  gaps: (boolean | null)[];
  /** A list that may be absent. */
  optional_list?: boolean[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeU8HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeU16HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeU32HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeI8HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeI16HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeI32HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeF32HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeF64HeldPayload {
  /** A value. */
  alone: number;
  /** A value or an absent key. */
  optional?: number | null;
  /** A value or `null`. */
  nullable?: number | null;
  /** A list. */
  list: number[];
  /** A list of lists. */
  lists: number[][];
  /** A list with gaps. */
  gaps: (number | null)[];
  /** A list that may be absent. */
  optional_list?: number[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeAnyHeldPayload {
  /** A value. */
  alone: unknown;
  /** A value or an absent key. */
  optional?: unknown | null;
  /** A value or `null`. */
  nullable?: unknown | null;
  /** A list. */
  list: unknown[];
  /** A list of lists. */
  lists: unknown[][];
  /** A list with gaps. */
  gaps: (unknown | null)[];
  /** A list that may be absent. */
  optional_list?: unknown[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeSizeHeldPayload {
  /** A value. */
  alone: "small" | "large";
  /** A value or an absent key. */
  optional?: "small" | "large" | null;
  /** A value or `null`. */
  nullable?: "small" | "large" | null;
  /** A list. */
  list: ("small" | "large")[];
  /** A list of lists. */
  lists: ("small" | "large")[][];
  /** A list with gaps. */
  gaps: ("small" | "large" | null)[];
  /** A list that may be absent. */
  optional_list?: ("small" | "large")[] | null;
}

/** One type at each place where a field can have it. */
export interface EveryTypeColourHeldPayload {
  /** A value. */
  alone: "red" | "dark_blue" | (string & {});
  /** A value or an absent key. */
  optional?: "red" | "dark_blue" | (string & {}) | null;
  /** A value or `null`. */
  nullable?: "red" | "dark_blue" | (string & {}) | null;
  /** A list. */
  list: ("red" | "dark_blue" | (string & {}))[];
  /** A list of lists. */
  lists: ("red" | "dark_blue" | (string & {}))[][];
  /** A list with gaps. */
  gaps: ("red" | "dark_blue" | (string & {}) | null)[];
  /** A list that may be absent. */
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
 * - `size`: A closed choice.
 */
export interface EveryTypeOnSizeHeld {
  domain: "every_type";
  event: "size";
  payload: EveryTypeSizeHeldPayload;
}

/**
 * - `colour`: An open choice.
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
    /** All events. */
    "every_type:all": EveryTypeAllEvent;
  }
}

/** Builds topics: `topic.staff.person(id)`. */
export const topic = {
  /** The topic of all events. */
  every_type: {
    /** All events. */
    all: "every_type:all",
  },
} as const;
