/** Checking an image and what it stands on, and repairing what can be repaired. */
import type { Finding } from "../../../control-plane/api/index.js";
import { formatCount, imageFailure } from "../../state/index.js";
import { type AppContext, h, uniqueId } from "../common/index.js";
import { findingText } from "./image-text.js";

/** Checks, and shows what was found with the repairs that there are. */
export async function checkAction(context: AppContext, name: string): Promise<void> {
  try {
    const findings = await context.host.image("check", name);
    const repair = await showFindings(name, findings);
    if (repair === null) return;
    const mended = await context.host.image("repair", name, repair === "all" ? { giveUpBlocks: true } : {});
    await context.shelf.look();
    context.notify({
      tone: "info",
      title: `${name}: ${formatCount(mended.length, "finding")} mended`,
      detail: mended.map(findingText).join("; "),
      nextStep: "",
    });
  } catch (error) {
    context.fail(imageFailure(`The check of ${name}`, error));
  }
}

type Repair = "safe" | "all";

function showFindings(name: string, findings: readonly Finding[]): Promise<Repair | null> {
  return new Promise((resolve) => {
    const titleId = uniqueId("check");
    const dialog = h("dialog", { class: "question wide", "aria-labelledby": titleId });
    const close = (answer: Repair | null): void => {
      resolve(answer);
      dialog.close();
      dialog.remove();
    };
    const can = (what: Finding["repair"]) => findings.some(({ repair, file }) => repair === what && file === name);
    const button = (label: string, tone: string, answer: Repair | null) =>
      h("button", { type: "button", class: `button ${tone}`, onclick: () => close(answer) }, label);
    dialog.append(
      h("h2", { id: titleId }, findings.length === 0 ? `${name} is sound` : `Check of ${name}`),
      findings.length === 0
        ? h("p", {}, "Nothing is wrong with it, nor with what it stands on.")
        : h("ul", { class: "findings" }, ...findings.map((finding) => h("li", {}, findingText(finding)))),
      h(
        "div",
        { class: "question-actions" },
        ...(can("loses-data") ? [button("Repair, giving up bad blocks", "danger", "all")] : []),
        ...(can("safe") ? [button("Repair without loss", "strong", "safe")] : []),
        button("Close", "", null),
      ),
    );
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
