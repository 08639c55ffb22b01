// A throw-away project, with the packed package.

import { spawn } from "node:child_process";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { delimiter, dirname, join } from "node:path";

const here = import.meta.dirname;

/** How long a command may take. */
const PATIENCE_MS = 240_000;

const node = (major, root = here) => join(root, `node_modules/node-${major}-${arch()}/bin/node`);

/** What the commands of the cases use. For arm64 the registry has no Node.js 20.12: there it is 20.18. */
const TOOLS = {
  NODE_20: node(20),
  NODE_22: node(22, join(here, "soak")),
  NODE_24: node(24, join(here, "soak")),
  NODE_26: node(26),
  COPY_CORE: "cp node_modules/tidings/dist/core.wasm dist/",
};

/** A project that is no part of this repository: it finds tools in the folders above, as a member of a workspace does. */
export class Project {
  /** Makes the folder `dist/NAME` of `root`, with the files of these folders, and the package from its tarball. */
  static async make(root, name, folders) {
    const folder = join(root, "dist", name.replace(/\W+/g, "-"));
    await rm(folder, { recursive: true, force: true });
    const module = join(folder, "node_modules/tidings");
    await mkdir(module, { recursive: true });
    const project = new Project(root, folder);
    await project.write("package.json", JSON.stringify({ private: true, type: "module" }));
    for (const from of folders) await cp(join(here, from), folder, { recursive: true });
    await project.run(`tar -xzf "$TIDINGS_TARBALL" --strip-components 1 -C ${module}`);
    return project;
  }

  constructor(root, folder) {
    this.root = root;
    this.folder = folder;
  }

  write(path, text) {
    return writeFile(join(this.folder, path), text);
  }

  /** Runs a command to its end, and returns all that it said. */
  async run(command, env = {}) {
    const child = this.#spawn(command, env);
    const timer = setTimeout(() => end(child), PATIENCE_MS);
    const said = heard(child);
    const code = await new Promise((resolve) => child.once("close", resolve));
    clearTimeout(timer);
    if (code !== 0) throw new Error(`\`${command}\` ended with ${code} in ${this.folder}:\n${said.text}`);
    return said.text;
  }

  /** Starts a server, and returns the address that it prints. It ends with the test. */
  async serve(t, command) {
    const child = this.#spawn(command, {});
    t.after(() => end(child));
    const said = heard(child);
    return new Promise((resolve, reject) => {
      const fail = (how) => reject(new Error(`\`${command}\` ${how}:\n${said.text}`));
      child.once("close", () => fail("ended"));
      setTimeout(() => fail("did not listen"), PATIENCE_MS).unref();
      child.stdout.on("data", () => {
        const [url] = said.text.match(/http:\/\/(localhost|127\.0\.0\.1):\d+/) ?? [];
        if (url) resolve(url);
      });
    });
  }

  #spawn(command, env) {
    const bins = [this.folder, this.root, here].map((folder) => join(folder, "node_modules/.bin"));
    const child = spawn("/bin/sh", ["-c", command], {
      cwd: this.folder,
      // A group, because a server may start others.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        // First this Node.js: the packages of other versions have a program `node` too.
        PATH: [dirname(process.execPath), ...bins, process.env.PATH].join(delimiter),
        ...TOOLS,
        NO_COLOR: "1",
        CI: "true",
        NEXT_TELEMETRY_DISABLED: "1",
        // The test runner of Node.js sets it, and its children would believe it.
        NODE_TEST_CONTEXT: undefined,
        ...env,
      },
    });
    // If the tests are ended before they have ended it.
    const kill = () => end(child);
    process.once("exit", kill);
    child.once("close", () => process.removeListener("exit", kill));
    return child;
  }
}

function end(child) {
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Collects all that a child says. */
function heard(child) {
  const said = { text: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said.text += text;
    });
  }
  return said;
}
