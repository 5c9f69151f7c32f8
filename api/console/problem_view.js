import { element, given, terms } from "./elements.js";

const SHOWN_APART = new Set(["title", "status", "detail", "errors"]);

/** Make the place where problems are shown; it is read out when one comes. */
export function problemPlace() {
  return element("div", { role: "alert", class: "problems" });
}

/**
 * Show a problem as the service gave it, every member of it; null takes it away. One that is shown
 * already stays, or it would be read out again; to have left is no problem.
 */
export function showProblem(place, failure) {
  if (failure?.name === "AbortError") return;
  const own = { title: "The console failed", detail: String(failure) };
  const body = failure && (failure.body ?? own);
  const text = body && JSON.stringify({ ...body, request_id: null });
  if (place.dataset.shown === String(text)) return;
  place.dataset.shown = String(text);
  place.replaceChildren();
  if (body === null) return;
  const rest = Object.entries(body).filter(([name]) => !SHOWN_APART.has(name));
  place.append(
    element(
      "section",
      { class: "problem" },
      element("h2", {}, given(body.title ?? "Problem"), body.status ? ` (${body.status})` : ""),
      body.detail === undefined ? null : element("p", {}, given(body.detail)),
      body.errors === undefined ? null : pointed(body.errors),
      terms(rest.map(([name, value]) => [name, plain(value)])),
    ),
  );
}

function pointed(errors) {
  const each = ({ pointer, detail }) =>
    element("li", {}, element("code", {}, given(pointer)), " ", given(detail));
  return element("ul", {}, ...errors.map(each));
}

function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
