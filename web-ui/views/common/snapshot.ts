/** A snapshot of an image, from the question to the name of what was taken. */
import { derivedName, nameProblem } from "../../state/index.js";
import { askForm, type Field } from "./ask.js";
import type { AppContext } from "./context.js";

export interface AskedSnapshot {
  readonly snapshot: string;
  take(): Promise<void>;
}

const QUIESCE: Field = {
  name: "quiesce",
  label: "Freeze the guest’s file systems meanwhile",
  kind: "switch",
  hint: "None of them then has anything to repeat. The default guest can do it; where the guest cannot, no snapshot is taken.",
};

/** Null when the person thought better of it. */
export async function askSnapshot(context: AppContext, image: string): Promise<AskedSnapshot | null> {
  const { shelf, host } = context;
  const isWritten = shelf.usesOf(image).some(({ writes }) => writes);
  const answers = await askForm({
    title: `Snapshot of ${image}`,
    detail: `Keeps what the disk holds now.${isWritten ? " The guest goes on, over the snapshot." : ""}`,
    fields: [
      { name: "snapshot", label: "Name of the snapshot", value: derivedName(image, "snapshot", shelf.names) },
      ...(isWritten ? [QUIESCE] : []),
    ],
    action: "Take the snapshot",
    check: ({ snapshot = "" }) => nameProblem(snapshot, shelf.names),
  });
  if (answers === null) return null;
  const snapshot = answers.snapshot!;
  const options = { quiesce: answers.quiesce === "on" };
  return { snapshot, take: async () => void (await host.image("snapshot", image, snapshot, options)) };
}
