import { element, given, terms } from "./elements.js";
import { moment, sized, whole } from "./figures.js";
import { showProblem } from "./problem_view.js";
import { ask, jobPath } from "./service.js";

const SHOWN_COLUMNS = 200;

/** The manifest of a job: totals, snapshot, schema; once it is sealed, all of it as a file. */
export class ManifestView {
  constructor(jobId, problems) {
    this.jobId = jobId;
    this.problems = problems;
    this.totals = element("div");
    this.schema = element("div");
    this.save = element(
      "button", { type: "button", hidden: true, onclick: () => this.saveFile() }, "Save as JSON",
    );
    this.element = element("div", {}, this.totals, this.save, this.schema);
  }

  /** Show the manifest of a job with the totals of its newest progress. */
  show(job, progress) {
    const { manifest } = job;
    this.save.hidden = !manifest.sealed;
    const { snapshot } = manifest;
    this.totals.replaceChildren(
      terms([
        ["Sealed", manifest.sealed ? "yes" : "no, chunks are still being made"],
        ["Chunks", whole(progress.chunks_published)],
        ["Rows", whole(progress.rows)],
        ["Size", sized(progress.bytes)],
        ["Snapshot", snapshot === null ? null : snapshotText(snapshot)],
        ["Schema fingerprint", manifest.schema_fingerprint],
        ["Started", moment(job.started_at)],
        ["Staged", moment(job.staged_at)],
        ["Finished", moment(job.finished_at)],
        ["Expires", moment(job.expires_at)],
      ]),
    );
    if (this.fingerprint === manifest.schema_fingerprint) return;
    this.fingerprint = manifest.schema_fingerprint;
    this.schema.replaceChildren(schemaTable(manifest.schema ?? []));
  }

  async saveFile() {
    try {
      const answer = await ask(jobPath(this.jobId, "/manifest"));
      const url = URL.createObjectURL(await answer.blob());
      element("a", { href: url, download: `manifest-${this.jobId}.json` }).click();
      URL.revokeObjectURL(url);
    } catch (failure) {
      showProblem(this.problems, failure);
    }
  }
}

function snapshotText(snapshot) {
  return snapshot.value === null ? snapshot.class : `${snapshot.class}, ${snapshot.value}`;
}

function schemaTable(columns) {
  const rest = columns.length - SHOWN_COLUMNS;
  const rows = columns.slice(0, SHOWN_COLUMNS).map((column) =>
    element("tr", {},
      element("th", { scope: "row" }, given(column.name)),
      element("td", {}, given(column.type)),
      element("td", {}, column.nullable ? "yes" : "no")));
  const heads = ["Column", "Type", "Nullable"];
  const head = element("tr", {}, ...heads.map((each) => element("th", { scope: "col" }, each)));
  return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Schema" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)),
    rest > 0 ? element("p", {}, `and ${whole(rest)} more`) : null);
}
