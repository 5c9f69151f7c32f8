import { confirmed } from "./confirm.js";
import { element, given, setText, terms } from "./elements.js";
import {
  isOpenTo, progressBar, progressText, showProgress, stateSign, titleOf,
} from "./job_words.js";
import { showProblem } from "./problem_view.js";
import { askJson, jobPath } from "./service.js";

const WORDS = { pause: "Pause", resume: "Resume", cancel: "Cancel …" };

/** The head of a job's page: its name, state, progress, error, and what can be done with it. */
export class JobHead {
  constructor(jobId, problems, show) {
    this.jobId = jobId;
    this.problems = problems;
    this.showJob = show;
    this.heading = element("h1", { tabindex: "-1" }, "Job");
    this.state = element("span");
    this.bar = progressBar();
    this.text = element("p");
    this.error = element("div");
    this.buttons = Object.fromEntries(Object.entries(WORDS).map(([action, word]) => {
      const act = () => this.act(action);
      return [action, element("button", { type: "button", class: action, onclick: act }, word)];
    }));
    this.element = element("section", { class: "card", "aria-label": "State" },
      element("p", { class: "actions" }, this.state, ...Object.values(this.buttons)),
      this.bar, this.text, this.error);
  }

  show(job) {
    this.job = job;
    const title = titleOf(job);
    if (this.heading.textContent !== title) this.heading.replaceChildren(given(title));
    document.title = `${job.state} · ${title} · Staging Service`;
    if (this.state.textContent !== job.state) this.state.replaceChildren(stateSign(job.state));
    for (const [action, button] of Object.entries(this.buttons)) {
      // Not `disabled`: that would take the focus away from whoever has just pressed it.
      button.setAttribute("aria-disabled", String(!isOpenTo(job, action)));
    }
    this.showError(job.error);
  }

  showProgress(progress) {
    showProgress(this.bar, progress);
    setText(this.text, progressText(progress));
  }

  showError(error) {
    this.error.replaceChildren();
    if (error === null) return;
    const partition = error.partition_id === null ? null : String(error.partition_id);
    this.error.append(
      terms([["Failed with", error.code], ["Detail", error.detail], ["Partition", partition]]),
    );
  }

  async act(action) {
    if (this.isBusy || !isOpenTo(this.job, action)) return;
    this.isBusy = true;
    try {
      if (action === "cancel" && !(await this.isMeant())) return;
      const asked = { cancel: ["", "DELETE"] }[action] ?? [`/${action}`, "POST"];
      this.showJob(await askJson(jobPath(this.jobId, asked[0]), { method: asked[1] }));
      showProblem(this.problems, null);
    } catch (failure) {
      showProblem(this.problems, failure);
    } finally {
      this.isBusy = false;
    }
  }

  isMeant() {
    const loss = "Nothing more becomes visible, and the chunks that are there are deleted.";
    return confirmed("Cancel this job?", loss, "Cancel the job", "Keep it");
  }
}
