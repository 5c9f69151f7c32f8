import { ChunkMap } from "./chunk_map.js";
import { ChunkStates } from "./chunk_states.js";
import { announce, element } from "./elements.js";
import { followJob } from "./following.js";
import { jobFacts } from "./job_facts.js";
import { JobHead } from "./job_head.js";
import { isFinal } from "./job_words.js";
import { ManifestView } from "./manifest_view.js";
import { NodesView } from "./nodes_view.js";
import { problemPlace, showProblem } from "./problem_view.js";
import { ask, jobPath } from "./service.js";
import { Throughput } from "./throughput.js";
import { pause, whileVisible } from "./while_visible.js";

const RETRY_MS = 2_000;
const PURGE_LOOK_MS = 5_000;

/** Show one job as it goes. */
export function jobPage(main, signal, jobId) {
  const page = new JobPage(jobId, main, signal);
  whileVisible(signal, (seen) => page.run(seen));
}

class JobPage {
  constructor(jobId, main, signal) {
    this.jobId = jobId;
    this.problems = problemPlace();
    this.head = new JobHead(jobId, this.problems, (job) => this.show(job));
    this.map = new ChunkMap(new ChunkStates(jobId, () => this.map.redraw()), signal);
    this.states = this.map.states;
    this.throughput = new Throughput();
    this.nodes = new NodesView(jobId);
    this.manifest = new ManifestView(jobId, this.problems);
    this.facts = element("div");
    this.whole = element("div", { hidden: true },
      this.head.element,
      section("Chunk map", this.map.element),
      section("Throughput", this.throughput.element),
      section("Partitions by node", this.nodes.element),
      section("Manifest", this.manifest.element),
      section("Request", this.facts));
    main.replaceChildren(this.head.heading, this.problems, this.whole);
    const ticking = setInterval(() => this.tick(), 1_000);
    signal.addEventListener("abort", () => clearInterval(ticking));
  }

  /** Read the job and its chunks, then follow it to its end. */
  async run(signal) {
    this.signal = signal;
    while (!signal.aborted && !(await this.read())) await pause(RETRY_MS, signal);
    if (signal.aborted) return;
    const seen = `${this.revision}.${this.job.progress.chunks_published}`;
    const news = {
      chunk: (chunk) => this.states.take(chunk),
      progress: (progress) => this.showProgress(progress),
      moved: () => this.read(),
    };
    await followJob(this.jobId, seen, news, signal);
    if (!signal.aborted) await this.seePurge();
  }

  /** Read the job anew; tells whether it could be read. */
  async read() {
    try {
      const answer = await ask(jobPath(this.jobId), {
        query: { page_size: 1 }, signal: this.signal,
      });
      this.revision = answer.headers.get("ETag").replace(/\D/g, "");
      this.show(await answer.json());
      showProblem(this.problems, null);
      return true;
    } catch (failure) {
      if (!this.signal.aborted) showProblem(this.problems, failure);
      return false;
    }
  }

  show(job) {
    if (this.job !== undefined && this.job.state !== job.state) announce(`The job is ${job.state}`);
    const isFirst = this.job === undefined;
    this.job = job;
    this.whole.hidden = false;
    this.head.show(job);
    if (isFirst) this.facts.replaceChildren(jobFacts(job));
    this.showProgress(job.progress);
  }

  showProgress(progress) {
    // Planning is told by no event of its own: schema and snapshot came with it.
    if (progress.partitions_total !== this.job.progress.partitions_total) this.read();
    this.head.showProgress(progress);
    this.manifest.show(this.job, progress);
    this.throughput.add(progress);
    this.throughput.showAverage(this.job, progress);
    for (const asking of [this.catchUp(progress), this.nodes.follow(progress, this.signal)]) {
      asking.catch((failure) => {
        if (!this.signal.aborted) showProblem(this.problems, failure);
      });
    }
  }

  /** Have every chunk that there is, and every ack. */
  async catchUp(progress) {
    await this.states.readUpTo(progress.chunks_published, this.signal);
    this.acked = progress.chunks_acked;
    if (this.isCatchingUp) return;
    this.isCatchingUp = true;
    const taken = ["acked", "deleted"];
    const has = () => taken.reduce((sum, each) => sum + this.states.count(each), 0) >= this.acked;
    try {
      while (!has() && !this.signal.aborted) await this.states.walk(taken, has, this.signal);
    } finally {
      this.isCatchingUp = false;
    }
  }

  /** Look until the objects of a job that has ended are deleted. */
  async seePurge() {
    const deleted = () => this.states.count("deleted");
    while (deleted() < this.states.length && !this.signal.aborted) {
      await pause(PURGE_LOOK_MS, this.signal);
      let before = -1;
      const isStill = () => before === (before = deleted());
      const looking = this.states.walk(["deleted"], isStill, this.signal);
      await looking.catch(() => {}); // looked at again soon
    }
  }

  tick() {
    if (this.job !== undefined && !isFinal(this.job) && !document.hidden) this.throughput.draw();
  }
}

function section(title, ...children) {
  return element("section", { class: "card" }, element("h2", {}, title), ...children);
}
