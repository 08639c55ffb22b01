import { hear } from "./hear.js";

addEventListener("message", ({ data }) => hear(data, (text) => postMessage(text)));
