import { element, given } from "./elements.js";
import { whole } from "./figures.js";
import { ask, jobPath } from "./service.js";
import { pause } from "./while_visible.js";

const ASK_MS = 5_000;
const REST = 20; // times as long as the answer took: it counts all that was read
const SHOWN_NODES = 200;
const HEADS = ["Node", "Partitions read", "Share"];

/** How many of a job's partitions each node of the cluster has read, those with most first. */
export class NodesView {
  constructor(jobId) {
    this.jobId = jobId;
    this.element = element("div", {}, "No partition is read yet.");
    this.seen = 0;
  }

  /** Ask as long as there is more to be seen, with a rest in between. */
  async follow(progress, signal) {
    this.done = progress.partitions_done;
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      while (this.seen !== this.done && !signal.aborted) {
        const { done } = this;
        const began = performance.now();
        const answer = await ask(jobPath(this.jobId, "/nodes"), { signal });
        this.draw((await answer.json()).nodes);
        this.seen = done;
        await pause(Math.max(ASK_MS, REST * (performance.now() - began)), signal);
      }
    } finally {
      this.isAsking = false;
    }
  }

  draw(nodes) {
    if (nodes.length === 0) {
      this.element.replaceChildren("Which nodes read them is not known.");
      return;
    }
    const total = nodes.reduce((sum, each) => sum + each.partitions, 0);
    const most = nodes.toSorted((one, other) => other.partitions - one.partitions);
    const rows = most.slice(0, SHOWN_NODES).map((each) => row(each, total));
    const rest = nodes.length - rows.length;
    const head = element("tr", {}, ...HEADS.map((each) => element("th", { scope: "col" }, each)));
    this.element.replaceChildren(
      element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Nodes" },
        element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))),
      rest > 0 ? element("p", {}, `and ${whole(rest)} more`) : "");
  }
}

function row({ node_id: nodeId, partitions }, total) {
  return element("tr", {},
    element("th", { scope: "row" }, given(nodeId)),
    element("td", {}, whole(partitions)),
    element("td", {}, `${Math.round((100 * partitions) / total)} %`));
}
