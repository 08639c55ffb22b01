// The demo's API in the process of the test: its data is a map, and it announces its writes to a test hub.

import type { TestHub } from "tidings/testing";
import { type Mock, vi } from "vitest";
import { Problem } from "../src/problem.ts";
import type { Link, PersonDetail, PersonRow, ProjectDetail } from "../src/records.ts";

export const MEI = "0198c0de-0000-7000-8000-000000000001";
export const LAMP = "0198c0de-0000-7000-8000-000000000002";
const STEP = "0198c0de-0000-7000-8000-000000000003";

/** A request to the API. */
export interface Request {
  method: string;
  path: string;
  body: Record<string, unknown>;
  /** The mark of the window that writes. */
  origin?: string;
}

export class Backend {
  person: PersonDetail = { uuid: MEI, name: "Mei", role: "Engineer", email: "", teams: [] };
  project: ProjectDetail = {
    ...{ uuid: LAMP, name: "Lamp 3", summary: "", lead_uuid: null, lead_name: null },
    ...{ status: "active", is_template: false, is_archived: false },
    assignments: [
      { uuid: STEP, task_uuid: STEP, title: "Test it", person_uuid: null, person_name: null, is_done: false },
    ],
  };
  links: Link[] = [1, 2].map((id) => ({
    ...{ id, title: `Link ${id}`, url: "https://example.org", note: "", tags: ["a"], votes: 0 },
  }));
  /** Answers requests. A `Problem` that it throws is the answer; any other error is a network that is away. */
  readonly answer: Mock<(request: Request) => unknown>;
  readonly #hub: TestHub;

  constructor(hub: TestHub) {
    this.#hub = hub;
    this.answer = vi.fn((request: Request) =>
      request.method === "GET" ? this.#read(request.path) : this.#write(request),
    );
  }

  readonly fetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    const origin = headers.get("Tidings-Origin");
    const request = {
      method: init.method ?? "GET",
      path: url.replace("/api/", ""),
      body: JSON.parse(String(init.body ?? "{}")),
      ...(origin && { origin }),
    };
    try {
      return Response.json((await this.answer(request)) ?? null);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { status, code, message: detail, field } = error;
      return Response.json({ code, detail, field }, { status });
    }
  };

  /** How many loads the page has made. */
  get loads(): number {
    return this.answer.mock.calls.filter(([{ method }]) => method === "GET").length;
  }

  /** Changes the person, as another window does. */
  changePerson(change: Partial<PersonDetail>, origin?: string): void {
    this.person = { ...this.person, ...change };
    this.#hub.emit(
      ["staff:people", `staff:person:${MEI}`],
      { domain: "staff", event: "person_updated", payload: { uuid: MEI } },
      { ...(origin && { origin }) },
    );
  }

  /** Emits an event of the bridge, which has a record of any type. */
  bridge(key: number, record?: unknown): void {
    this.#hub.emit("store:links", {
      domain: "store",
      event: record === undefined ? "deleted" : "upserted",
      payload: { schema: "links", key: String(key), ...(record !== undefined && { record }) },
    });
  }

  #read(path: string): unknown {
    const row: PersonRow = { ...this.person, team_names: null };
    const data: Record<string, unknown> = {
      people: [row],
      [`people/${MEI}`]: this.person,
      [`projects/${LAMP}`]: this.project,
      links: this.links.toSorted((a, b) => b.id - a.id),
      database: { file: "/a folder/it's.sqlite" },
    };
    return data[path] ?? [];
  }

  #write({ path, body, origin }: Request): void {
    if (path === `people/${MEI}`) {
      this.changePerson(body, origin);
      return;
    }
    const assignments = this.project.assignments.map((one) => ({ ...one, ...body }));
    this.project = { ...this.project, assignments };
    this.#hub.emit(
      [`projects:project:${LAMP}`, "projects:all"],
      { domain: "projects", event: "assignment_updated", payload: { uuid: STEP, project_uuid: LAMP } },
      { ...(origin && { origin }) },
    );
  }
}
