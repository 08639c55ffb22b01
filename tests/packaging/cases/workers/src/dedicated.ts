import { say, url } from "./say.js";

const worker = new Worker(new URL("./dedicated-worker.js", import.meta.url), { type: "module" });
worker.onmessage = ({ data }) => say(data);
worker.onerror = ({ message }) => say(message);
worker.postMessage(url);
