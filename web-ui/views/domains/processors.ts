/** A domain's vCPUs, as `xl vcpu-list` shows them, and how much of what they execute is compiled code. */
import type { DomainInfo } from "../../../control-plane/api/index.js";
import { compiledPercent, describeVcpu, formatPercent } from "../../state/index.js";
import { h, setText } from "../common/index.js";

const HEADS = ["vCPU", "State", "pCPU", "Seconds"];

export class Processors {
  private readonly body = h("tbody", {});
  private readonly caption = h("caption", {});
  readonly element = h(
    "details",
    { class: "processors" },
    h("summary", {}, "Processors"),
    h(
      "table",
      {},
      this.caption,
      h("thead", {}, h("tr", {}, ...HEADS.map((head) => h("th", { scope: "col" }, head)))),
      this.body,
    ),
  );

  show(info: DomainInfo): void {
    setText(this.caption, `Compiled code: ${formatPercent(compiledPercent(info))} of all instructions`);
    for (let missing = info.vcpus.length - this.body.rows.length; missing > 0; missing--)
      this.body.append(h("tr", {}, h("th", { scope: "row" }), ...HEADS.slice(1).map(() => h("td", {}))));
    for (const [n, row] of [...this.body.rows].entries()) {
      const vcpu = info.vcpus[n];
      if (vcpu === undefined) row.remove();
      else for (const [column, text] of describeVcpu(vcpu).entries()) setText(row.cells[column]!, text);
    }
  }
}
