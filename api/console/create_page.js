import { announce, element } from "./elements.js";
import { problemPlace, showProblem } from "./problem_view.js";
import { askJson } from "./service.js";
import { bodyOf } from "./job_body.js";

const TARGETS = { table: "Table", path: "Path", query: "Query" };
const OF_FILES = new Set(["parquet", "csv", "json", "delta", "iceberg"]);

/** Show the form that makes a job. */
export async function createPage(main, signal) {
  const problems = problemPlace();
  const form = jobForm();
  main.replaceChildren(element("h1", { tabindex: "-1" }, "New job"), problems, form);
  const key = newKey();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    create(form, problems, { signal, headers: { "Idempotency-Key": key } });
  });
  try {
    showConnections(form, (await askJson("connections", { signal })).connections);
  } catch (failure) {
    if (!signal.aborted) showProblem(problems, failure);
  }
}

async function create(form, problems, asked) {
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  mark(form, []);
  try {
    const job = await askJson("jobs", { ...asked, method: "POST", body: bodyOf(form) });
    announce("The job is accepted");
    location.hash = `#/jobs/${job.job_id}`;
  } catch (failure) {
    showProblem(problems, failure);
    mark(form, failure.body?.errors ?? []);
  } finally {
    form.ariaBusy = "false";
  }
}

/** Mark the fields that a problem points at, and go to the first. */
function mark(form, errors) {
  const fields = [...form.querySelectorAll("[data-pointer]")];
  const isWrong = ({ dataset }) => errors.some(({ pointer }) =>
    pointer === dataset.pointer || pointer.startsWith(`${dataset.pointer}/`));
  for (const field of fields) field.setAttribute("aria-invalid", String(isWrong(field)));
  fields.find(isWrong)?.focus();
}

function showConnections(form, connections) {
  const options = connections.map(({ name, kind }) =>
    element("option", { value: name, "data-kind": kind }, `${name} (${kind})`));
  form.connection.replaceChildren(...options);
  if (options.length === 0) {
    form.connection.append(element("option", { value: "" }, "none is registered"));
  }
  suitTarget(form);
}

/** Choose what kinds of connections read: files have paths, databases tables. */
function suitTarget(form) {
  const kind = form.connection.selectedOptions[0]?.dataset.kind;
  const suited = OF_FILES.has(kind) ? "path" : "table";
  if (form.reads.value !== "query" || suited === "path") form.reads.value = suited;
  suitLabel(form);
}

function suitLabel(form) {
  form.querySelector("#what-label").textContent = TARGETS[form.reads.value];
  form.what.dataset.pointer = `#/source/${form.reads.value}`;
}

function jobForm() {
  const form = element("form", { class: "card create", "aria-label": "New job" });
  const select = (name, change, ...options) =>
    element("select", { id: name, name, onchange: () => change(form) }, ...options);
  const targets = Object.entries(TARGETS).map(([value, text]) =>
    element("option", { value }, text));
  const connection = select("connection", suitTarget);
  connection.dataset.pointer = "#/source/connection";
  const what = field("what", "textarea", {
    required: true, rows: "1", "data-pointer": "#/source/table", onkeydown: submitByEnter,
  });
  form.append(
    labelled("connection", "Connection", connection),
    labelled("reads", "Reads a", select("reads", suitLabel, ...targets)),
    labelled("what", element("span", { id: "what-label" }, "Table"), what),
    labelled("name", "Name (optional)", field("name", "input", { "data-pointer": "#/name" })),
    element("details", {}, element("summary", {}, "Columns, labels and options"), ...choices()),
    element("p", { class: "actions" }, element("button", { class: "main" }, "Create the job")),
  );
  return form;
}

/** Let Enter send the form, as in a field of one line; a query may have several. */
function submitByEnter(event) {
  const { form } = event.target;
  if (event.key !== "Enter" || form.reads.value === "query") return;
  event.preventDefault();
  form.requestSubmit();
}

function choices() {
  const number = (name, text, place, option = name) => labelled(name, text, field(name, "input", {
    type: "number", min: "1", placeholder: place, "data-pointer": `#/options/${option}`,
  }));
  const choice = (name, text, ...values) => labelled(name, text,
    field(name, "select", { "data-pointer": `#/options/${name}` },
      ...values.map((value) => element("option", {}, value))));
  return [
    labelled("columns", "Columns, one a line (all unless given)",
      field("columns", "textarea", { rows: "3", "data-pointer": "#/source/columns" })),
    labelled("labels", "Labels, name: value, one a line",
      field("labels", "textarea", { rows: "2", "data-pointer": "#/labels" })),
    number("chunk_target_mib", "Chunk target in MiB", "64", "chunk_target_bytes"),
    number("ttl_seconds", "TTL in seconds", "86400"),
    number("parallelism", "Partitions read at once", "as many as fit"),
    choice("compression", "Compression", "zstd", "snappy", "lz4", "none"),
    choice("consistency", "Consistency", "snapshot", "best_effort"),
    choice("retain", "Chunks stay", "until_acked", "until_expired"),
    choice("on_unrepresentable", "A value that no type holds", "fail", "null"),
    labelled("consumers", "Consumers, one a line",
      field("consumers", "textarea", { rows: "2", "data-pointer": "#/options/consumers" })),
  ];
}

function field(name, tag, properties, ...children) {
  return element(tag, { id: name, name, autocomplete: "off", ...properties }, ...children);
}

function labelled(name, text, control) {
  return element("p", { class: "field" }, element("label", { for: name }, text), control);
}

/** Make a key by which a request that is sent twice makes one job. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
