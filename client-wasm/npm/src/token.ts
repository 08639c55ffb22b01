// Asks the user's code for tokens and hands them to the core.

import { textOf, typeName } from "./arguments.js";
import { type Failure, TidingsError, TOKEN_REFUSED } from "./errors.js";
import type { RunningCore } from "./running-core.js";
import type { ClientOptions } from "./types.js";

/** Asks the user for tokens and hands them to the core. */
export class Tokens {
  #core: RunningCore;
  #token: ClientOptions["token"];
  /** The last answer was a token. */
  #isGiven = false;

  constructor(core: RunningCore, token: ClientOptions["token"]) {
    this.#core = core;
    this.#token = token;
  }

  /** Gets a token for the connection with this number. */
  async ask(connection: number): Promise<void> {
    let failure: string;
    try {
      const token: unknown = typeof this.#token === "function" ? await this.#token() : this.#token;
      if (token == null || (typeof token === "string" && token)) {
        this.#isGiven = token != null;
        return this.#core.use((core) => core.token(connection, token ?? undefined));
      }
      const is = token === "" ? "empty" : typeName(token);
      failure = `\`token\` must be a string (a JWT) or undefined, but is ${is}.`;
    } catch (error) {
      failure = `The token callback failed: ${textOf(error)}`;
    }
    this.#core.use((core) => core.tokenFailed(connection, failure));
  }

  /** The error of a failure. It says whether an unauthorized client had no token, or one that the server refused. */
  explain(failure: Failure): TidingsError {
    const isRefused = failure.code === "unauthorized" && this.#isGiven;
    return new TidingsError(isRefused ? { ...failure, hint: TOKEN_REFUSED } : failure);
  }
}
