import { Problem } from "./problem.ts";
import { client } from "./tidings.ts";

/** After this many milliseconds a request fails with an error that may be retried. */
const TIMEOUT_MS = 10_000;

export type ProjectAction = "start" | "hold" | "complete" | "reopen" | "archive" | "unarchive";

export const load = <T>(path: string, signal: AbortSignal) => call<T>("GET", path, undefined, signal);
export const create = (path: string, body: object) => call<unknown>("POST", path, body);
export const update = (path: string, body: object) => call<unknown>("PATCH", path, body);
export const remove = (path: string) => call<unknown>("DELETE", path);
export const act = (project: string, action: ProjectAction) =>
  call<unknown>("POST", `projects/${project}/action`, { action });
export const vote = (link: number) => call<unknown>("POST", `links/${link}/vote`, {});
export const order = (project: string, assignments: string[]) =>
  call<unknown>("PUT", `projects/${project}/order`, { assignments });

async function call<T>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  // The API hands the mark of a write on to its events, so that this window knows its own events.
  const headers: Record<string, string> = method === "GET" ? {} : client.writeHeaders();
  if (body) headers["Content-Type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    response = await fetch(`/api/${path}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(
      0,
      "unreachable",
      "The server cannot be reached. Your input is still here. Try again in a moment.",
    );
  }
  if (!response.ok) throw problemOf(response.status, text);
  return (text ? JSON.parse(text) : undefined) as T;
}

function problemOf(status: number, text: string): Problem {
  try {
    const { code, detail, field } = JSON.parse(text) as { code?: string; detail?: string; field?: string };
    return new Problem(
      status,
      code ?? "unknown",
      detail ?? `The server answered with status ${status}.`,
      field,
    );
  } catch {
    return new Problem(status, "unknown", `The server answered with status ${status} and no reason.`);
  }
}
