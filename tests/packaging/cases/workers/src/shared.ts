import { say, url } from "./say.js";

const { port } = new SharedWorker(new URL("./shared-worker.js", import.meta.url), { type: "module" });
port.onmessage = ({ data }) => say(data);
port.postMessage(url);
