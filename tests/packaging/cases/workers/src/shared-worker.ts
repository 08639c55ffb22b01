import { hear } from "./hear.js";

addEventListener("connect", (event) => {
  const [port] = (event as MessageEvent).ports;
  if (port) port.onmessage = ({ data }) => hear(data, (text) => port.postMessage(text));
});
