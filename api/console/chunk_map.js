import { STATES } from "./chunk_states.js";
import { element, setText, terms } from "./elements.js";
import { counted, moment, sized, whole } from "./figures.js";
import { askJson, jobPath } from "./service.js";

const SIZES = [18, 14, 11, 8, 6, 5, 4]; // of a cell with its gap, in CSS pixels
const HEIGHT = 400;

/**
 * Draws a cell a chunk. Only what is in sight is drawn, on a canvas that stays while the empty
 * page behind it scrolls: its cost does not grow with the number of chunks.
 */
export class ChunkMap {
  constructor(states, signal) {
    this.states = states;
    this.signal = signal;
    this.cursor = -1;
    this.isAwaited = false;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.space = element("div", { class: "map-space" }, this.canvas);
    this.scroller = element("div", { class: "map", tabindex: "0", role: "group" }, this.space);
    this.legend = element("ul", { class: "legend" });
    this.chosen = element("div", { class: "chosen", role: "status" });
    this.element = element("div", {}, this.legend, this.scroller, this.chosen);
    this.listen();
  }

  listen() {
    const { signal } = this;
    this.scroller.addEventListener("scroll", () => this.redraw(), { signal });
    this.scroller.addEventListener("keydown", (event) => this.move(event), { signal });
    this.canvas.addEventListener("click", (event) => this.point(event), { signal });
    const sizes = new ResizeObserver(() => this.redraw());
    sizes.observe(this.element);
    signal.addEventListener("abort", () => sizes.disconnect());
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.redraw(), { signal });
  }

  /** Draw before the next frame, however often it is asked for. */
  redraw() {
    if (this.isAwaited) return;
    this.isAwaited = true;
    requestAnimationFrame(() => {
      this.isAwaited = false;
      this.draw();
    });
  }

  draw() {
    const { states, scroller } = this;
    this.tell();
    scroller.hidden = states.length === 0;
    const width = scroller.clientWidth;
    if (states.length === 0 || width === 0) return;
    this.measure(width);
    const ratio = window.devicePixelRatio || 1;
    const height = Math.min(HEIGHT, this.rows * this.size);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    this.drawCells(pen, height);
  }

  drawCells(pen, height) {
    const { states, size, columns } = this;
    const style = getComputedStyle(this.scroller);
    const colours = Object.fromEntries(
      STATES.map((state) => [state, style.getPropertyValue(`--${state}`)]),
    );
    const top = this.scroller.scrollTop;
    const first = Math.floor(top / size) * columns;
    const last = Math.min(states.length, (Math.floor((top + height) / size) + 1) * columns);
    const side = size > 5 ? size - 2 : size - 1;
    for (let index = first; index < last; index += 1) {
      pen.fillStyle = colours[states.at(index)];
      pen.fillRect((index % columns) * size, Math.floor(index / columns) * size - top, side, side);
    }
    if (this.cursor >= first && this.cursor < last) {
      pen.strokeStyle = style.color;
      pen.lineWidth = 2;
      const [x, y] = [this.cursor % columns, Math.floor(this.cursor / columns)];
      pen.strokeRect(x * size - 1, y * size - top - 1, side + 2, side + 2);
    }
  }

  /** Choose the largest cells that fit without scrolling, else the smallest. */
  measure(width) {
    const rows = (size) => Math.ceil(this.states.length / Math.floor(width / size));
    const fits = (size) => rows(size) * size <= HEIGHT;
    this.size = SIZES.find(fits) ?? SIZES.at(-1);
    this.columns = Math.floor(width / this.size);
    this.rows = rows(this.size);
    this.space.style.height = `${this.rows * this.size}px`;
    this.scroller.dataset.cell = this.size;
  }

  /** Say in words what the colours say. */
  tell() {
    const shown = STATES.filter((state) => this.states.count(state) > 0);
    const entries = shown.map((state) => `${state} ${whole(this.states.count(state))}`);
    const text = entries.join(", ");
    if (this.legend.dataset.text === text) return;
    this.legend.dataset.text = text;
    this.legend.replaceChildren(
      ...shown.map((state, at) => element("li", { class: `key ${state}` }, entries[at])),
    );
    const total = counted(this.states.length, "chunk");
    const how = "Arrow keys choose one.";
    this.scroller.setAttribute("aria-label", `Chunk map: ${total}: ${text}. ${how}`);
  }

  move(event) {
    const page = Math.max(1, Math.floor(HEIGHT / this.size)) * this.columns;
    const steps = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: this.columns,
      ArrowUp: -this.columns,
      PageDown: page,
      PageUp: -page,
      Home: -this.states.length,
      End: this.states.length,
    };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const from = this.cursor < 0 && event.key !== "End" ? -step : this.cursor;
    this.choose(Math.min(this.states.length - 1, Math.max(0, from + step)));
  }

  point(event) {
    const column = Math.floor(event.offsetX / this.size);
    const row = Math.floor((event.offsetY + this.scroller.scrollTop) / this.size);
    const index = row * this.columns + column;
    if (column < this.columns && index < this.states.length) this.choose(index);
  }

  /** Put the cursor on a chunk, in sight, and show what the service says of it. */
  choose(index) {
    this.cursor = index;
    const y = Math.floor(index / this.columns) * this.size;
    const { scroller } = this;
    if (y < scroller.scrollTop) scroller.scrollTop = y;
    const hidden = y + this.size - scroller.clientHeight;
    if (hidden > scroller.scrollTop) scroller.scrollTop = hidden;
    this.redraw();
    setText(this.chosen, `Chunk ${index}: ${this.states.at(index)}`);
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.describe(index), 150);
  }

  async describe(index) {
    const query = { since_index: index, page_size: 1 };
    const path = jobPath(this.states.jobId, "/chunks");
    const page = await askJson(path, { query, signal: this.signal }).catch(() => null);
    const chunk = page?.chunks[0];
    if (chunk === undefined || this.cursor !== index) return;
    this.states.take(chunk);
    this.chosen.replaceChildren(
      terms([
        ["Chunk", `${index}: ${chunk.state}`],
        ["Rows", whole(chunk.row_count)],
        ["Size", sized(chunk.byte_count)],
        ["Partition", String(chunk.partition_id)],
        ["Acknowledged", moment(chunk.acked_at)],
        ["SHA-256", chunk.sha256],
        ["Id", chunk.chunk_id],
      ]),
    );
  }
}
