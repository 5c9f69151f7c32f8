import { terms } from "./elements.js";
import { moment } from "./figures.js";

/** Show what was asked for: source, options, labels, who and when. */
export function jobFacts(job) {
  const { source, options, labels } = job;
  return terms([
    ["Job", job.job_id],
    ["Organisation", String(job.org_id)],
    ["User", job.user_id],
    ["Created", moment(job.created_at)],
    ["Labels", joined(Object.entries(labels).map(([name, value]) => `${name}: ${value}`))],
    ...Object.entries(source).map(([name, value]) => [`Source: ${named(name)}`, plain(value)]),
    ...Object.entries(options).map(([name, value]) => [`Option: ${named(name)}`, plain(value)]),
  ]);
}

function named(name) {
  return name.replaceAll("_", " ");
}

function joined(texts) {
  return texts.length === 0 ? null : texts.join(", ");
}

function plain(value) {
  if (value === null || typeof value === "string") return value;
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return joined(value);
  return JSON.stringify(value);
}
