import { identityHeaders } from "./identity.js";

const ROOT = new URL("api/v1/staging/", document.baseURI);

/** An answer that is not the one that was asked for; `body` is its problem (RFC 9457). */
export class Problem extends Error {
  constructor(body) {
    super(body.detail ?? body.title);
    this.body = body;
  }
}

/**
 * Ask the service; gives the answer of fetch. `query` leaves out what is null or empty.
 * Throws Problem, or AbortError once the signal is given.
 */
export async function ask(path, { method = "GET", query = {}, body, headers = {}, signal } = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== "") url.searchParams.set(name, value);
  }
  // Links are secrets: no answer is kept.
  const asked = { method, signal, cache: "no-store" };
  asked.headers = { ...identityHeaders(), ...headers };
  if (body !== undefined) {
    asked.headers["Content-Type"] = "application/json";
    asked.body = JSON.stringify(body);
  }
  const answer = await fetch(url, asked).catch((failure) => {
    if (failure.name === "AbortError") throw failure;
    throw new Problem({ title: "No answer", detail: "The service cannot be reached." });
  });
  if (!answer.ok) throw new Problem(await problemOf(answer));
  return answer;
}

/** Ask for JSON. */
export async function askJson(path, asked) {
  return (await ask(path, asked)).json();
}

/** Give the path of a job, below the service's prefix. */
export function jobPath(jobId, rest = "") {
  return `jobs/${encodeURIComponent(jobId)}${rest}`;
}

async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    // Something in between answered, in its own words.
    return { title: answer.statusText || "Not an answer of the service", status: answer.status };
  }
}
