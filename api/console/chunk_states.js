import { askJson, jobPath } from "./service.js";
import { pause } from "./while_visible.js";

export const STATES = ["unread", "available", "acked", "deleted"];
const PAGE = 1000; // the most that the service gives at once
const AT_ONCE = 4;
const BETWEEN_WALKS_MS = 1_000;

/** The states of a job's chunks, a byte a chunk, read page by page and kept up to date. */
export class ChunkStates {
  constructor(jobId, changed) {
    this.jobId = jobId;
    this.changed = changed;
    this.length = 0;
    this.counts = STATES.map(() => 0);
    this.codes = new Uint8Array(PAGE);
    this.asked = 0;
  }

  /** Give the state of the chunk with an index. */
  at(index) {
    return STATES[this.codes[index]];
  }

  /** How many chunks are in a state. */
  count(state) {
    return this.counts[STATES.indexOf(state)];
  }

  /** Take a chunk as the service shows it. */
  take(chunk) {
    this.grow(chunk.chunk_index + 1);
    const code = Math.max(0, STATES.indexOf(chunk.state));
    this.counts[this.codes[chunk.chunk_index]] -= 1;
    this.counts[code] += 1;
    this.codes[chunk.chunk_index] = code;
    if (chunk.chunk_index === this.asked) this.asked += 1;
    this.changed();
  }

  /** Know of so many chunks; those that are new are unread. */
  grow(length) {
    if (length <= this.length) return;
    if (length > this.codes.length) {
      const larger = new Uint8Array(Math.max(length, this.codes.length * 2));
      larger.set(this.codes);
      this.codes = larger;
    }
    this.counts[0] += length - this.length;
    this.length = length;
    this.changed();
  }

  /** Read the chunks up to a count that were not asked for, a few pages at a time. */
  async readUpTo(count, signal) {
    this.grow(count);
    const read = async () => {
      while (this.asked < count && !signal.aborted) {
        const from = this.asked;
        this.asked = Math.min(from + PAGE, count);
        await this.readPage(from, this.asked - from, signal);
      }
    };
    const failed = await Promise.allSettled(Array.from({ length: AT_ONCE }, read));
    const failure = failed.find((each) => each.status === "rejected");
    if (failure === undefined) return;
    this.asked = Math.max(0, this.codes.subarray(0, this.length).indexOf(0));
    throw failure.reason;
  }

  /**
   * Read anew, in order, each page with a chunk that is in none of the `settled` states: acks and
   * deletions are told by no event. `isDone` is asked before each page that is read.
   */
  async walk(settled, isDone, signal) {
    for (let from = 0; from < this.length && !signal.aborted; from += PAGE) {
      if (this.isSettled(from, settled)) continue;
      if (isDone()) break;
      await this.readPage(from, PAGE, signal);
    }
    await pause(BETWEEN_WALKS_MS, signal);
  }

  isSettled(from, settled) {
    const page = this.codes.subarray(from, Math.min(from + PAGE, this.length));
    return page.every((code) => settled.includes(STATES[code]));
  }

  async readPage(from, size, signal) {
    const query = { since_index: from, page_size: size };
    const page = await askJson(jobPath(this.jobId, "/chunks"), { query, signal });
    for (const chunk of page.chunks) this.take(chunk);
  }
}
