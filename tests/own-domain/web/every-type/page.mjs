import { createClient } from "tidings/own";
import { judge } from "./judge.mjs";

globalThis.judge = (options) => judge({ createClient, ...options });
