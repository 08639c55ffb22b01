// Generated from the Rust definitions of the domains. Do not edit.

import type { Domain, Topic } from "tidings";

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

/** The events that each topic of `every_type` can bring. */
export interface EveryTypeTopics {
  /** All events. */
  "every_type:all": EveryTypeAllEvent;
}

/** The type of `everyType`. */
export interface EveryTypeDomain extends Domain<"every_type", EveryTypeEvent, EveryTypeTopics> {
  /** The topic of all events. */
  readonly topics: {
    /** All events. */
    readonly all: Topic<EveryTypeAllEvent>;
  };
}

/** The domain `every_type`, for `createClient({ domains: [everyType] })`. */
export const everyType: EveryTypeDomain = {
  name: "every_type",
  fingerprint: "e3403d8b254cbf0a",
  topics: {
    all: "every_type:all" as Topic<EveryTypeAllEvent>,
  },
  events: [
    [["uuid"], [["alone", "uuid"], ["optional", ["option", "uuid"]], ["nullable", ["option", "uuid"]], ["list", ["list", "uuid"]], ["lists", ["list", ["list", "uuid"]]], ["gaps", ["list", ["option", "uuid"]]], ["optional_list", ["option", ["list", "uuid"]]]]],
    [["string", "colour"], [["alone", "string"], ["optional", ["option", "string"]], ["nullable", ["option", "string"]], ["list", ["list", "string"]], ["lists", ["list", ["list", "string"]]], ["gaps", ["list", ["option", "string"]]], ["optional_list", ["option", ["list", "string"]]]]],
    [["segment"], [["alone", ["segment", 128]], ["optional", ["option", ["segment", 128]]], ["nullable", ["option", ["segment", 128]]], ["list", ["list", ["segment", 128]]], ["lists", ["list", ["list", ["segment", 128]]]], ["gaps", ["list", ["option", ["segment", 128]]]], ["optional_list", ["option", ["list", ["segment", 128]]]]]],
    [["short_segment"], [["alone", ["segment", 8]], ["optional", ["option", ["segment", 8]]], ["nullable", ["option", ["segment", 8]]], ["list", ["list", ["segment", 8]]], ["lists", ["list", ["list", ["segment", 8]]]], ["gaps", ["list", ["option", ["segment", 8]]]], ["optional_list", ["option", ["list", ["segment", 8]]]]]],
    [["bool"], [["alone", "bool"], ["optional", ["option", "bool"]], ["nullable", ["option", "bool"]], ["list", ["list", "bool"]], ["lists", ["list", ["list", "bool"]]], ["gaps", ["list", ["option", "bool"]]], ["optional_list", ["option", ["list", "bool"]]]]],
    [["u8"], [["alone", ["integer", 0, 255]], ["optional", ["option", ["integer", 0, 255]]], ["nullable", ["option", ["integer", 0, 255]]], ["list", ["list", ["integer", 0, 255]]], ["lists", ["list", ["list", ["integer", 0, 255]]]], ["gaps", ["list", ["option", ["integer", 0, 255]]]], ["optional_list", ["option", ["list", ["integer", 0, 255]]]]]],
    [["u16"], [["alone", ["integer", 0, 65535]], ["optional", ["option", ["integer", 0, 65535]]], ["nullable", ["option", ["integer", 0, 65535]]], ["list", ["list", ["integer", 0, 65535]]], ["lists", ["list", ["list", ["integer", 0, 65535]]]], ["gaps", ["list", ["option", ["integer", 0, 65535]]]], ["optional_list", ["option", ["list", ["integer", 0, 65535]]]]]],
    [["u32"], [["alone", ["integer", 0, 4294967295]], ["optional", ["option", ["integer", 0, 4294967295]]], ["nullable", ["option", ["integer", 0, 4294967295]]], ["list", ["list", ["integer", 0, 4294967295]]], ["lists", ["list", ["list", ["integer", 0, 4294967295]]]], ["gaps", ["list", ["option", ["integer", 0, 4294967295]]]], ["optional_list", ["option", ["list", ["integer", 0, 4294967295]]]]]],
    [["i8"], [["alone", ["integer", -128, 127]], ["optional", ["option", ["integer", -128, 127]]], ["nullable", ["option", ["integer", -128, 127]]], ["list", ["list", ["integer", -128, 127]]], ["lists", ["list", ["list", ["integer", -128, 127]]]], ["gaps", ["list", ["option", ["integer", -128, 127]]]], ["optional_list", ["option", ["list", ["integer", -128, 127]]]]]],
    [["i16"], [["alone", ["integer", -32768, 32767]], ["optional", ["option", ["integer", -32768, 32767]]], ["nullable", ["option", ["integer", -32768, 32767]]], ["list", ["list", ["integer", -32768, 32767]]], ["lists", ["list", ["list", ["integer", -32768, 32767]]]], ["gaps", ["list", ["option", ["integer", -32768, 32767]]]], ["optional_list", ["option", ["list", ["integer", -32768, 32767]]]]]],
    [["i32"], [["alone", ["integer", -2147483648, 2147483647]], ["optional", ["option", ["integer", -2147483648, 2147483647]]], ["nullable", ["option", ["integer", -2147483648, 2147483647]]], ["list", ["list", ["integer", -2147483648, 2147483647]]], ["lists", ["list", ["list", ["integer", -2147483648, 2147483647]]]], ["gaps", ["list", ["option", ["integer", -2147483648, 2147483647]]]], ["optional_list", ["option", ["list", ["integer", -2147483648, 2147483647]]]]]],
    [["f32"], [["alone", "float32"], ["optional", ["option", "float32"]], ["nullable", ["option", "float32"]], ["list", ["list", "float32"]], ["lists", ["list", ["list", "float32"]]], ["gaps", ["list", ["option", "float32"]]], ["optional_list", ["option", ["list", "float32"]]]]],
    [["f64"], [["alone", "number"], ["optional", ["option", "number"]], ["nullable", ["option", "number"]], ["list", ["list", "number"]], ["lists", ["list", ["list", "number"]]], ["gaps", ["list", ["option", "number"]]], ["optional_list", ["option", ["list", "number"]]]]],
    [["any"], [["alone", "any"], ["optional", ["option", "any"]], ["nullable", ["option", "any"]], ["list", ["list", "any"]], ["lists", ["list", ["list", "any"]]], ["gaps", ["list", ["option", "any"]]], ["optional_list", ["option", ["list", "any"]]]]],
    [["size"], [["alone", ["choice", ["small", "large"]]], ["optional", ["option", ["choice", ["small", "large"]]]], ["nullable", ["option", ["choice", ["small", "large"]]]], ["list", ["list", ["choice", ["small", "large"]]]], ["lists", ["list", ["list", ["choice", ["small", "large"]]]]], ["gaps", ["list", ["option", ["choice", ["small", "large"]]]]], ["optional_list", ["option", ["list", ["choice", ["small", "large"]]]]]]],
  ],
};
