import { element } from "./elements.js";
import { counted, sized, whole } from "./figures.js";

export const ALL_STATES = [
  "pending", "running", "pausing", "paused", "staged",
  "cancelling", "completed", "failed", "cancelled", "expired",
];
const FINAL = new Set(["completed", "failed", "cancelled", "expired"]);
const FROM = {
  pause: new Set(["pending", "running"]),
  resume: new Set(["pausing", "paused"]),
  cancel: new Set(["pending", "running", "pausing", "paused", "staged"]),
};

/** Tell whether a job can change no more. */
export function isFinal(job) {
  return FINAL.has(job.state);
}

/** Tell whether an action would change a job. */
export function isOpenTo(job, action) {
  return FROM[action].has(job.state);
}

/** Name a job as its people do: by its name, or by what it reads. */
export function titleOf(job) {
  return job.name ?? targetOf(job.source);
}

/** Say what a source reads. */
export function targetOf(source) {
  return source.table ?? source.path ?? source.query ?? "";
}

/** Make the sign of a state. */
export function stateSign(state) {
  return element("span", { class: `state ${state}` }, state);
}

/** Make the bar of a job's progress. */
export function progressBar() {
  return element("progress", { max: "1", "aria-label": "Progress" });
}

/** Show a progress in a bar; what is not planned yet has no known end. */
export function showProgress(bar, progress) {
  if (progress.fraction === null) bar.removeAttribute("value");
  else bar.value = progress.fraction;
}

/** Say a progress in one line. */
export function progressText(progress) {
  const { partitions_total: total, partitions_done: done, chunks_acked: acked } = progress;
  const share = () => `${whole(done)} of ${counted(total, "partition")}`;
  const parts = total === null ? "not planned yet" : share();
  const chunks = `${counted(progress.chunks_published, "chunk")}, ${whole(acked)} acknowledged`;
  return `${parts} · ${chunks} · ${counted(progress.rows, "row")} · ${sized(progress.bytes)}`;
}
