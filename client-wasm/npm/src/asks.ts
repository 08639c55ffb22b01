// The subscriptions and publishes of a client, in a form that outlives a failed core.

import { type Core, type CoreFailure, isFailure } from "./core.js";
import type { RunningCore } from "./running-core.js";

/** Something that the client asks of its core, and of the next core again: a subscription or a publish. */
export interface Ask {
  /** Its number in the present core. */
  id: number | undefined;
  /** Asks this core, and returns the number that the core gave. Throws a `CoreFailure` if the core refuses. */
  ask(core: Core): number;
  /** The core refused. */
  failed(failure: CoreFailure): void;
  /** The core has failed. */
  lost?(): void;
}

/** All asks of one kind. They outlive the core. */
export class Asks<T extends Ask> {
  readonly core: RunningCore;
  /** In the order in which they were added. */
  readonly all = new Set<T>();
  #byId = new Map<number, T>();

  constructor(core: RunningCore) {
    this.core = core;
    core.asks.push(this);
  }

  /** Asks for it now and, if the core is replaced, again. Loads the core if nothing was asked before. */
  start(one: T): void {
    this.all.add(one);
    this.core.start();
    this.#ask(one);
  }

  of(id: number): T | undefined {
    return this.#byId.get(id);
  }

  /** Nothing more is asked. `inCore` tells the core, if it knows this one. */
  remove(one: T, inCore?: (core: Core, id: number) => void): void {
    this.all.delete(one);
    const { id } = one;
    if (id === undefined) return;
    this.#byId.delete(id);
    if (inCore) this.core.use((core) => inCore(core, id));
  }

  /** A new core runs and knows nothing. */
  askAll(): void {
    // A callback may remove some. It may also add others, which ask for themselves.
    for (const one of this.all) if (one.id === undefined) this.#ask(one);
  }

  /** The core has failed. Its numbers mean nothing to the next core. */
  lost(): void {
    this.#byId.clear();
    for (const one of this.all) {
      one.id = undefined;
      one.lost?.();
    }
  }

  #ask(one: T): void {
    this.core.use((core) => {
      try {
        one.id = one.ask(core);
      } catch (failure) {
        if (!isFailure(failure)) throw failure;
        return one.failed(failure);
      }
      this.#byId.set(one.id, one);
      core.run();
    });
  }
}
