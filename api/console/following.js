import { ask, jobPath } from "./service.js";
import { pause } from "./while_visible.js";

const SILENCE_MS = 25_000; // two heartbeats of the service, and some
const POLL_MS = 2_000;
const POLLS = 5;

/**
 * Follow a job until its end or the signal. `seen` is a Last-Event-ID, `<revision>.<chunks>`.
 *
 * `news` has `chunk(chunk)`, `progress(progress)`, and `moved()`: read the job anew. Where the
 * events do not come, `moved` is called every two seconds, and they are tried again now and then.
 */
export async function followJob(jobId, seen, news, signal) {
  const reader = { jobId, seen, news };
  while (!signal.aborted) {
    if (await stream(reader, signal)) return;
    for (let poll = 0; poll < POLLS && !signal.aborted; poll += 1) {
      await pause(POLL_MS, signal);
      if (!signal.aborted) await news.moved();
    }
  }
}

/** Read events as long as they come; tells whether the end was among them. */
async function stream(reader, signal) {
  const silence = new AbortController();
  const abort = () => silence.abort();
  signal.addEventListener("abort", abort, { once: true });
  let timer = setTimeout(abort, SILENCE_MS);
  try {
    const answer = await ask(jobPath(reader.jobId, "/events"), {
      headers: { Accept: "text/event-stream", "Last-Event-ID": reader.seen },
      signal: silence.signal,
    });
    if (answer.status === 204) return true;
    const parts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await parts.read();
      if (done) return false;
      clearTimeout(timer);
      timer = setTimeout(abort, SILENCE_MS);
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const each of events) if (tell(reader, each)) return true;
    }
  } catch {
    return false; // cut off, refused or silent: the polls that follow show why
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    silence.abort();
  }
}

/** Tell one event (HTML Living Standard, section 9.2); true if it was the last. */
function tell(reader, text) {
  const fields = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  if (fields.event === undefined) return false;
  reader.seen = fields.id ?? reader.seen;
  const { news } = reader;
  if (fields.event === "chunk") news.chunk(JSON.parse(fields.data));
  else if (fields.event === "progress") news.progress(JSON.parse(fields.data));
  else news.moved();
  return fields.event === "end";
}
