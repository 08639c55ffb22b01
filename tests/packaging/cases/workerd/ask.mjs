// Starts workerd, asks the worker to hear an event, and prints its answer.
import { spawn } from "node:child_process";

// It tells its port there, as JSON.
const workerd = spawn("workerd", ["serve", "config.capnp", "--control-fd=1"], {
  stdio: ["ignore", "pipe", "inherit"],
});
workerd.stdout.on("data", async (text) => {
  const { port } = JSON.parse(text);
  const server = encodeURIComponent(process.env.SERVER);
  const answer = await fetch(`http://127.0.0.1:${port}/?server=${server}`);
  console.log(await answer.text());
  workerd.kill();
});
