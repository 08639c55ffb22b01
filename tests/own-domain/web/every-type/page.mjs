import { createClient } from "tidings";
import { everyType } from "../every-type.ts";
import { judge } from "./judge.mjs";

globalThis.judge = (options) => judge({ createClient, domain: everyType, ...options });
