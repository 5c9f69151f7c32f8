import { element, given, setText } from "./elements.js";
import { moment } from "./figures.js";
import { followJob } from "./following.js";
import {
  ALL_STATES, isFinal, progressBar, progressText, showProgress, stateSign, targetOf, titleOf,
} from "./job_words.js";
import { problemPlace, showProblem } from "./problem_view.js";
import { askJson } from "./service.js";
import { pause, whileVisible } from "./while_visible.js";

const EVERY_MS = 3_000;
const FOLLOWED = 2; // a browser opens six connections to a host, for all of its windows
const PAGE = 50;

/** Show the organisation's jobs, newest first, as they go. */
export function jobsPage(main, signal) {
  const page = new JobsPage();
  main.replaceChildren(
    element("h1", { tabindex: "-1" }, "Jobs"),
    page.problems,
    element("p", { class: "actions" }, element("label", {}, "State ", page.filter),
      element("a", { class: "button", href: "#/new" }, "New job")),
    page.table,
    page.empty,
    element("p", { class: "actions" }, page.newer, page.older),
  );
  whileVisible(signal, (seen) => page.run(seen));
}

class JobsPage {
  constructor() {
    this.problems = problemPlace();
    this.rows = new Map();
    this.tokens = [null];
    this.body = element("tbody");
    const heads = ["Job", "State", "Source", "Progress", "Created"];
    this.table = element("table", { class: "jobs", hidden: true },
      element("caption", { class: "unseen" }, "Jobs of the organisation"),
      element("thead", {}, element("tr", {},
        ...heads.map((head) => element("th", { scope: "col" }, head)))),
      this.body);
    this.empty = element("p", { hidden: true },
      "There is no such job yet. ", element("a", { href: "#/new" }, "Create one."));
    const turn = (pages) => () => this.turn(pages);
    this.newer = element("button", { type: "button", hidden: true, onclick: turn(-1) }, "Newer");
    this.older = element("button", { type: "button", hidden: true, onclick: turn(1) }, "Older");
    const any = element("option", { value: "" }, "any");
    const options = ALL_STATES.map((state) => element("option", {}, state));
    this.filter = element("select", { onchange: () => this.turn(0) }, any, ...options);
  }

  /** List again and again, and follow the newest jobs that are under way. */
  async run(signal) {
    this.signal = signal;
    this.followed = new Map();
    while (!signal.aborted) {
      await this.list();
      await pause(EVERY_MS, signal);
    }
  }

  turn(pages) {
    if (pages > 0) this.tokens.push(this.next);
    else if (pages < 0) this.tokens.pop();
    else this.tokens = [null];
    this.list();
  }

  async list() {
    const { signal } = this;
    const token = this.tokens.at(-1);
    const query = { state: this.filter.value, page_size: PAGE, page_token: token };
    try {
      const page = await askJson("jobs", { query, signal });
      // What was asked meanwhile by another filter or page is what counts.
      if (token !== this.tokens.at(-1) || query.state !== this.filter.value) return;
      this.show(page);
      showProblem(this.problems, null);
    } catch (failure) {
      if (!signal.aborted) showProblem(this.problems, failure);
    }
  }

  show({ jobs, next_page_token: next }) {
    this.next = next;
    this.newer.hidden = this.tokens.length === 1;
    this.older.hidden = next === null;
    this.empty.hidden = jobs.length > 0;
    this.table.hidden = jobs.length === 0;
    const there = new Set(jobs.map((job) => job.job_id));
    for (const [jobId, row] of this.rows) {
      if (there.has(jobId)) continue;
      row.element.remove();
      this.rows.delete(jobId);
    }
    jobs.forEach((job, place) => {
      const row = this.rows.get(job.job_id) ?? new JobRow(job);
      this.rows.set(job.job_id, row);
      row.show(job);
      // A row that stays where it is keeps the focus that may be in it.
      const other = this.body.children[place] ?? null;
      if (other !== row.element) this.body.insertBefore(row.element, other);
    });
    this.follow(jobs);
  }

  follow(jobs) {
    const active = jobs.filter((job) => !isFinal(job) && job.state !== "staged");
    const wanted = new Map(active.slice(0, FOLLOWED).map((job) => [job.job_id, job]));
    for (const [jobId, following] of this.followed) {
      if (wanted.has(jobId)) continue;
      following.abort();
      this.followed.delete(jobId);
    }
    for (const [jobId, job] of wanted) {
      if (!this.followed.has(jobId)) this.followed.set(jobId, this.followOne(job));
    }
  }

  followOne(job) {
    const following = new AbortController();
    this.signal.addEventListener("abort", () => following.abort());
    const news = {
      chunk: () => {},
      progress: (progress) => this.rows.get(job.job_id)?.showProgress(progress),
      moved: () => this.listSoon(),
    };
    followJob(job.job_id, `0.${job.progress.chunks_published}`, news, following.signal);
    return following;
  }

  /** List once for the many moves that come at once. */
  listSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.list(), 200);
  }
}

class JobRow {
  constructor(job) {
    this.title = element("a", { href: `#/jobs/${job.job_id}` });
    this.state = element("td", { "data-head": "State" });
    this.bar = progressBar();
    this.text = element("span", { class: "small" });
    const { source } = job;
    this.element = element("tr", {},
      element("th", { scope: "row" }, this.title),
      this.state,
      element("td", { "data-head": "Source" },
        given(source.connection), " · ", given(targetOf(source))),
      element("td", { "data-head": "Progress" }, this.bar, this.text),
      element("td", { "data-head": "Created" }, moment(job.created_at)));
  }

  show(job) {
    const title = titleOf(job);
    if (this.title.textContent !== title) this.title.replaceChildren(given(title));
    if (this.state.textContent !== job.state) this.state.replaceChildren(stateSign(job.state));
    this.showProgress(job.progress);
  }

  showProgress(progress) {
    showProgress(this.bar, progress);
    setText(this.text, progressText(progress));
  }
}
