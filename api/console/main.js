import { createPage } from "./create_page.js";
import { element } from "./elements.js";
import { installIdentity } from "./identity.js";
import { jobPage } from "./job_page.js";
import { jobsPage } from "./jobs_page.js";

const PAGES = [
  [/^(?:#\/?)?$/, "Jobs", jobsPage],
  [/^#\/new$/, "New job", createPage],
  [/^#\/jobs\/([\w-]+)$/, "Job", jobPage],
];
const main = document.getElementById("main");
let leaving = new AbortController();

/** Show the page that the address names; `isMove` puts the focus on its heading. */
function show(isMove) {
  leaving.abort();
  document.querySelector("dialog")?.close();
  leaving = new AbortController();
  const [title, page, found] = pageAt(location.hash);
  document.title = `${title} · Staging Service`;
  page(main, leaving.signal, ...found);
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.getAttribute("href") === (location.hash || "#/");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isMove) {
    window.scrollTo(0, 0);
    main.querySelector("h1").focus();
  }
}

function pageAt(hash) {
  for (const [pattern, title, page] of PAGES) {
    const found = pattern.exec(hash);
    if (found !== null) return [title, page, found.slice(1)];
  }
  return ["Not found", notFound, []];
}

function notFound() {
  main.replaceChildren(
    element("h1", { tabindex: "-1" }, "There is no such page"),
    element("p", {}, element("a", { href: "#/" }, "Go to the jobs")),
  );
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the page, not a place in it
  main.focus();
});
window.addEventListener("hashchange", () => show(true));
installIdentity(() => show(false));
show(false);
