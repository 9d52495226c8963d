/** One domain in the list: state, processors, memory used of given, processor use, time up, and its actions. */
import { type DomainRow, formatCount, formatKiB, formatPercent, formatUptime, isAlive } from "../../state/index.js";
import { attachMenu, h, icon, setAttributes, setText } from "../common/index.js";
import type { DomainActions } from "./actions.js";
import { Processors } from "./processors.js";
import { Sparkline } from "./sparkline.js";

export class DomainCard {
  readonly element: HTMLElement;
  private row: DomainRow;
  private readonly name = h("button", { type: "button", class: "domain-name" });
  private readonly domid = h("span", { class: "domid" });
  private readonly state = h("span", { class: "state" });
  private readonly cpu = h("dd", {});
  private readonly memory = h("dd", {});
  private readonly meter = h("span", { class: "meter-fill" });
  private readonly uptime = h("dd", {});
  private readonly processors = new Processors();
  private readonly spark = new Sparkline();
  private readonly pause = h("button", { type: "button", class: "button small" });
  private readonly off = h("button", { type: "button", class: "button small" }, icon("power"), "Shut down");
  private readonly more = h("button", { type: "button", class: "icon-button" }, icon("more"));

  constructor(row: DomainRow, actions: DomainActions, open: () => void) {
    this.row = row;
    this.name.addEventListener("click", open);
    this.pause.addEventListener("click", () => void actions.togglePause(this.row.info));
    this.off.addEventListener("click", () => void actions.shutdown(this.row.info, "poweroff"));
    attachMenu(this.more, () => actions.menu(this.row.info));
    const figure = (term: string, ...values: Node[]) => h("div", {}, h("dt", {}, term), ...values);
    this.element = h(
      "li",
      { class: "domain" },
      h("div", { class: "domain-head" }, this.name, this.domid, this.state),
      this.spark.element,
      h("dl", { class: "figures" }, figure("CPU", this.cpu), figure("Memory", this.memory), figure("Up", this.uptime)),
      h("span", { class: "meter", "aria-hidden": "true" }, this.meter),
      this.processors.element,
      h("div", { class: "domain-actions" }, this.pause, this.off, this.more),
    );
    this.update(row, false);
  }

  update(row: DomainRow, selected: boolean): void {
    this.row = row;
    const { info } = row;
    setText(this.name, info.name);
    setText(this.domid, String(info.domid));
    this.domid.title = "Domain number";
    const state = describeState(row);
    setText(this.state, state.text);
    this.state.dataset.tone = state.tone;
    setText(this.cpu, `${formatPercent(row.cpuPercent)} of ${formatCount(info.vcpus.length, "vCPU")}`);
    setText(this.memory, `${formatKiB(info.populatedKiB)} of ${formatKiB(info.memoryKiB)}`);
    this.meter.style.width = `${Math.min(100, (info.populatedKiB / Math.max(1, info.memoryKiB)) * 100).toFixed(1)}%`;
    setText(this.uptime, formatUptime(info.uptimeSeconds));
    this.processors.show(info);
    this.spark.show(row.history, Math.max(1, info.vcpus.length));
    this.element.classList.toggle("selected", selected);
    this.updateActions();
  }

  private updateActions(): void {
    const { info } = this.row;
    const paused = info.state === "paused";
    const label = paused ? "Resume" : "Pause";
    if (this.pause.textContent !== label) this.pause.replaceChildren(icon(paused ? "resume" : "pause"), label);
    setAttributes(this.pause, { "aria-label": `${label} ${info.name}` });
    setAttributes(this.off, { "aria-label": `Shut down ${info.name}` });
    setAttributes(this.more, { "aria-label": `More actions for ${info.name}`, title: "More actions" });
    this.pause.disabled = !isAlive(info);
    // A paused guest cannot act on the request.
    this.off.disabled = !isAlive(info) || paused;
  }
}

type Tone = "running" | "paused" | "ended" | "crashed";

/** The state for people: a guest that waits for work is as well as one that works. */
export function describeState({ info }: DomainRow): { text: string; tone: Tone } {
  switch (info.state) {
    case "running":
      return { text: "running", tone: "running" };
    case "blocked":
      return { text: "idle", tone: "running" };
    case "paused":
      return { text: "paused", tone: "paused" };
    case "crashed":
      return { text: "crashed", tone: "crashed" };
    case "dying":
      return { text: "dying", tone: "ended" };
    case "shutdown":
      return { text: describeShutdown(info.shutdownReason, info.exitStatus), tone: "ended" };
  }
}

function describeShutdown(reason = "poweroff", exitStatus?: number): string {
  if (reason === "exit") return exitStatus === undefined ? "exited" : `exit status ${exitStatus}`;
  return reason === "poweroff" ? "powered off" : reason;
}
