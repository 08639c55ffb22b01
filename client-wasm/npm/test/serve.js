// The real server. `cargo xtask test npm` names its program.
import { spawn } from "node:child_process";

const program = process.env.TIDINGS_BIN;
export const skip = !program
  ? "TIDINGS_BIN names no server: `cargo xtask test npm` does"
  : typeof WebSocket === "undefined" && "this Node.js has no WebSocket";

/** Starts the server, on a given port or on any, and waits until it listens. */
export async function serve(t, port = 0, access = ["--dev"]) {
  const server = spawn(program, ["serve", ...access, "--listen", `127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(() => server.kill("SIGKILL"));
  const url = await new Promise((resolve, reject) => {
    let said = "";
    server.stdout.on("data", (text) => {
      said += text;
      const found = said.match(/listening on (http:\/\/\S+)/);
      if (found) resolve(found[1]);
    });
    server.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
  return { server, url, port: Number(new URL(url).port) };
}
