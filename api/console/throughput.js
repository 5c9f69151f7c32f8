import { element, setText } from "./elements.js";
import { sized, whole } from "./figures.js";

const SVG = "http://www.w3.org/2000/svg";
const BARS = 60;
const [WIDTH, HEIGHT] = [600, 120];
const RECENT_MS = 5_000;

/** Throughput since the page was opened: a bar a span of time, wider spans as time goes on. */
export class Throughput {
  constructor() {
    this.started = performance.now();
    this.span = 1_000;
    this.bars = new Array(BARS).fill(0);
    this.recent = [];
    this.last = null;
    this.drawing = shape("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "bars", role: "img",
    });
    this.now = element("p", {});
    this.axis = element("p", { class: "axis" });
    this.average = element("p", { class: "axis" });
    this.element = element("div", {}, this.now, this.drawing, this.axis, this.average);
  }

  /** Take the progress at this moment; the first is what went before. */
  add(progress) {
    const at = performance.now();
    if (this.last !== null) {
      if (progress.bytes < this.last.bytes) return; // an older answer that came later
      const bytes = progress.bytes - this.last.bytes;
      const rows = progress.rows - this.last.rows;
      this.barAt(at, bytes);
      this.recent.push({ at, bytes, rows });
    }
    this.last = progress;
    this.draw();
  }

  /** Say how fast a job was from its start to its seal, or to now; its pauses count. */
  showAverage(job, progress) {
    if (job.started_at === null) return;
    const ended = job.staged_at ?? job.finished_at;
    const until = ended === null ? Date.now() : Date.parse(ended);
    const seconds = Math.max(1, (until - Date.parse(job.started_at)) / 1_000);
    setText(this.average, `On average since its start: ${sized(progress.bytes / seconds)}/s`);
  }

  /** Put bytes into the bar of a moment; when time runs out of bars, two become one. */
  barAt(at, bytes) {
    let index = Math.floor((at - this.started) / this.span);
    while (index >= BARS) {
      const halves = this.bars;
      this.bars = halves.map((_, bar) => (halves[2 * bar] ?? 0) + (halves[2 * bar + 1] ?? 0));
      this.span *= 2;
      index = Math.floor((at - this.started) / this.span);
    }
    this.bars[index] += bytes;
  }

  /** Draw what is known by now. */
  draw() {
    const at = performance.now();
    this.barAt(at, 0);
    this.recent = this.recent.filter((each) => at - each.at < RECENT_MS);
    const seconds = Math.min(RECENT_MS, Math.max(1_000, at - this.started)) / 1_000;
    const per = (what) => this.recent.reduce((sum, each) => sum + each[what], 0) / seconds;
    const text = `${sized(per("bytes"))}/s, ${whole(per("rows"))} rows/s`;
    setText(this.now, `In the last 5 seconds: ${text}`);
    const most = Math.max(...this.bars);
    const used = Math.floor((at - this.started) / this.span) + 1;
    const step = WIDTH / Math.max(used, 10);
    this.drawing.replaceChildren(
      ...this.bars.slice(0, used).map((bytes, index) => {
        const height = most === 0 ? 0 : (bytes / most) * (HEIGHT - 2);
        const place = { x: index * step, y: HEIGHT - height, width: Math.max(1, step - 1), height };
        return shape("rect", place);
      }),
    );
    this.label(at, most);
  }

  label(at, most) {
    const seconds = Math.round((at - this.started) / 1_000);
    const peak = `at most ${sized((most * 1_000) / this.span)}/s`;
    setText(this.axis, `${seconds} s since this page was opened, ${peak}`);
    this.drawing.setAttribute("aria-label", `Throughput over ${seconds} seconds, ${peak}`);
  }
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
