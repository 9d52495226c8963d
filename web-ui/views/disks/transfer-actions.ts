/** Images into the browser and out of it, in pieces, with progress. */
import type { ImageInfo } from "../../../control-plane/api/index.js";
import { formatBytes, freeImageName, imageFailure, imageNameOf } from "../../state/index.js";
import { type AppContext, askForm } from "../common/index.js";
import { chooseTarget } from "./save-file.js";

/** Takes files in one after the other; answers the name of the last that came in. */
export async function importFiles(context: AppContext, files: readonly File[]): Promise<string | null> {
  let last: string | null = null;
  for (const file of files) last = (await importFile(context, file)) ?? last;
  return last;
}

async function importFile(context: AppContext, file: File): Promise<string | null> {
  const { shelf, jobs, host } = context;
  const wanted = imageNameOf(file.name);
  try {
    await shelf.look();
    shelf.requireRoom(file.size);
    await shelf.persist();
    const name = freeImageName(wanted, shelf.names);
    const done = await jobs.run(`Importing ${name}`, (job) => host.imageJob("import", [name, file], job.tell));
    await shelf.look();
    context.announce(done ? `${name} imported, ${formatBytes(file.size)}` : `The import of ${name} was cancelled`);
    return done ? name : null;
  } catch (error) {
    context.fail(imageFailure(`Importing ${file.name}`, error));
    return null;
  }
}

const ENDINGS = { dynamic: ".vhd", fixed: ".vhd", raw: ".raw" } as const;
type ExportKind = keyof typeof ENDINGS | "";

export async function exportAction(context: AppContext, { name, kind, parent }: ImageInfo): Promise<void> {
  const answers = await askForm({
    title: `Export ${name}`,
    fields: [
      {
        name: "kind",
        label: "As",
        choices: [
          { value: "dynamic", label: "Dynamic VHD, whole" },
          { value: "fixed", label: "Fixed VHD, whole" },
          { value: "raw", label: "Raw, whole" },
          {
            value: "",
            label: parent === undefined ? "The file as it is" : "The file as it is, without what it stands on",
          },
        ],
        value: parent === undefined && kind !== "raw" ? "" : "dynamic",
        hint: "Another form than its own is made here first, and needs room for that.",
      },
    ],
    action: "Export",
  });
  if (answers === null) return;
  const form = answers.kind as ExportKind;
  const fileName = form === "" ? name : name.replace(/\.(vhd|raw|img|iso|qcow2)$/i, "") + ENDINGS[form];
  await saveImage(context, name, form, fileName.split("/").pop()!);
}

export async function saveImage(
  context: Pick<AppContext, "jobs" | "host" | "announce" | "fail">,
  name: string,
  kind: ExportKind,
  fileName: string,
): Promise<void> {
  const { jobs, host } = context;
  try {
    const target = await chooseTarget(fileName);
    if (target === null) return;
    const done = await jobs.run(`Exporting ${fileName}`, async (job) => {
      const file = await host.imageJob("export", [name, kind === "" ? {} : { kind }], job.tell);
      // Also when it was given up: a copy takes as much room as the image.
      let isRead = true;
      try {
        isRead = await target.save(file, job);
      } finally {
        if (isRead) await host.image("exported", name);
      }
    });
    context.announce(done ? `${fileName} exported` : `The export of ${fileName} was cancelled`);
  } catch (error) {
    context.fail(imageFailure(`Exporting ${name}`, error));
  }
}
