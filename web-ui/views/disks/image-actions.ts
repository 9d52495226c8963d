/** What can be done to images. Each action asks what it must, reports its own failure, and says what it did. */
import type { ImageNode, TellProgress } from "../../../control-plane/api/index.js";
import {
  allImages,
  ancestorsOf,
  dependentsOf,
  derivedName,
  formatBytes,
  imageFailure,
  nameProblem,
  parseSize,
} from "../../state/index.js";
import { type AppContext, askForm, askSnapshot, confirmAction } from "../common/index.js";
import { checkAction } from "./check-action.js";
import { exportAction } from "./transfer-actions.js";

export interface ImageAction {
  readonly label: string;
  readonly tone?: "danger";
  run(): Promise<void>;
}

/** What an image may be made as. */
const KINDS = [
  { value: "dynamic", label: "Dynamic VHD: grows with what is written" },
  { value: "fixed", label: "Fixed VHD: takes its whole size" },
  { value: "raw", label: "Raw: the disk, nothing else" },
] as const;
type Kind = (typeof KINDS)[number]["value"];

const SIZE_HINT = "For example 10 GiB or 512 MiB.";

export class ImageActions {
  constructor(
    private readonly context: AppContext,
    private readonly select: (name: string) => void,
  ) {}

  /** Those that the image allows as it is now. */
  of(node: ImageNode): ImageAction[] {
    const { name, info, children } = node;
    const remove: ImageAction = { label: "Delete", tone: "danger", run: () => this.remove(name) };
    const check: ImageAction = { label: "Check", run: () => checkAction(this.context, name) };
    if (info === null) return [check, remove];
    const { shelf } = this.context;
    const uses = shelf.usesOf(name);
    const isTop = children.length === 0;
    const isIdle = [name, ...dependentsOf(shelf.trees, name)].every((image) => shelf.usesOf(image).length === 0);
    const isChanged = isTop && info.format !== "qcow2";
    const ancestors = ancestorsOf(shelf.trees, name);
    const parent = ancestors[0];
    const only =
      parent !== undefined && dependentsOf(shelf.trees, parent).length === 1 + dependentsOf(shelf.trees, name).length;
    const list: (ImageAction | false)[] = [
      isChanged && { label: "Snapshot", run: () => this.snapshot(name) },
      { label: "Clone", run: () => this.clone(name) },
      uses.length === 0 && { label: "Use in a new domain", run: async () => this.context.useInNewDomain(name) },
      !uses.some(({ writes }) => writes) && { label: "Export", run: () => exportAction(this.context, info) },
      !uses.some(({ writes }) => writes) && { label: "Convert", run: () => this.convert(name) },
      isChanged && { label: "Resize", run: () => this.resize(name, info.sizeBytes, uses.length > 0) },
      isTop &&
        ancestors.length > 0 &&
        uses.length === 0 && { label: "Go back", run: () => this.revert(name, ancestors) },
      info.parent?.name === null && { label: "Find its parent", run: () => this.setParent(name, info.parent!.told) },
      isIdle && { label: "Rename", run: () => this.rename(name) },
      only && { label: "Merge down", run: () => this.coalesce(name, parent) },
      check,
      remove,
    ];
    return list.filter((action): action is ImageAction => action !== false);
  }

  async create(): Promise<void> {
    const { shelf, host } = this.context;
    const answers = await askForm({
      title: "Create an image",
      fields: [
        {
          name: "name",
          label: "Name",
          value: "disk.vhd",
          hint: "Its ending tells the format: .vhd, or .raw for a raw image.",
        },
        { name: "size", label: "Size", value: "1 GiB", hint: SIZE_HINT },
        {
          name: "kind",
          label: "Type",
          choices: KINDS,
        },
      ],
      action: "Create",
      check: ({ name = "", size = "", kind }) =>
        nameProblem(name, shelf.names) ?? sizeProblem(size) ?? endingProblem(name, kind === "raw"),
    });
    if (answers === null) return;
    const { name = "", size = "", kind } = answers;
    await this.do(`Creating ${name}`, `${name} created`, name, async () => {
      await shelf.persist();
      await host.image("create", name, { bytes: parseSize(size)!, kind: kind as Kind });
    });
  }

  /** A local image over one on a web server. */
  async layer(): Promise<void> {
    const { shelf, host } = this.context;
    const answers = await askForm({
      title: "Use a server’s image",
      detail: "It is read in pieces as a guest asks for them. What is written stays here, in a local image over it.",
      fields: [
        { name: "address", label: "Address", hint: "VHD, raw or qcow2, by http:// or https://." },
        { name: "name", label: "Name of the local image", value: derivedName("server", "layer", shelf.names) },
      ],
      action: "Make the local image",
      check: ({ address = "", name = "" }) =>
        /^https?:\/\/./i.test(address)
          ? (nameProblem(name, shelf.names) ?? endingProblem(name, false))
          : "An address begins with https:// or http://.",
    });
    if (answers === null) return;
    const { address = "", name = "" } = answers;
    await this.do(`Opening ${address}`, `${name} made`, name, async () => {
      await shelf.persist();
      await host.image("clone", address, name);
    });
  }

  async snapshot(name: string): Promise<void> {
    const asked = await askSnapshot(this.context, name);
    if (asked === null) return;
    const { snapshot, take } = asked;
    await this.do(`The snapshot of ${name}`, `${snapshot} taken`, snapshot, take);
  }

  async clone(name: string): Promise<void> {
    const { shelf, host } = this.context;
    const isWritten = shelf.usesOf(name).some(({ writes }) => writes);
    const snapshot = isWritten ? derivedName(name, "snapshot", shelf.names) : null;
    const answers = await askForm({
      title: `Clone of ${name}`,
      detail:
        snapshot === null
          ? "A new image over this one, which must not change from then on."
          : `A guest writes to ${name}: the clone stands on a snapshot, ${snapshot}, which is taken first.`,
      fields: [{ name: "clone", label: "Name of the clone", value: derivedName(name, "clone", shelf.names) }],
      action: "Clone",
      check: ({ clone = "" }) => nameProblem(clone, shelf.names) ?? endingProblem(clone, false),
    });
    if (answers === null) return;
    const clone = answers.clone!;
    await this.do(`The clone of ${name}`, `${clone} made`, clone, async () => {
      if (snapshot !== null) await host.image("snapshot", name, snapshot);
      await host.image("clone", snapshot ?? name, clone);
    });
  }

  /** The whole disk in an image of its own, of any type: what came as qcow2 can be written to and snapshot then. */
  private async convert(name: string): Promise<void> {
    const { shelf, host } = this.context;
    const answers = await askForm({
      title: `Convert ${name}`,
      detail: `A new image that holds what ${name} shows, and stands on no other. ${name} stays as it is.`,
      fields: [
        { name: "to", label: "Name of the new image", value: derivedName(name, "copy", shelf.names) },
        { name: "kind", label: "Type", choices: KINDS },
      ],
      action: "Convert",
      check: ({ to = "", kind }) => nameProblem(to, shelf.names) ?? endingProblem(to, kind === "raw"),
    });
    if (answers === null) return;
    const to = answers.to!;
    const kind = answers.kind as Kind;
    await this.do(`Converting ${name}`, `${name} converted to ${to}`, to, async () => {
      await shelf.persist();
      return this.long(`Converting ${name}`, `The conversion of ${name}`, (tell) =>
        host.imageJob("convert", [name, to, { kind }], tell),
      );
    });
  }

  private async rename(name: string): Promise<void> {
    const { shelf, host } = this.context;
    const answers = await askForm({
      title: `Rename ${name}`,
      detail: "Images that stand on it find it under its new name.",
      fields: [{ name: "to", label: "New name", value: name, hint: "Its ending stays: it tells the format." }],
      action: "Rename",
      check: ({ to = "" }) => nameProblem(to, shelf.names),
    });
    if (answers === null) return;
    const to = answers.to!;
    await this.do(`Renaming ${name}`, `${name} is ${to} now`, to, () => host.image("rename", name, to));
  }

  /** For an image whose parent came here under another name. */
  private async setParent(name: string, told: string): Promise<void> {
    const { shelf, host } = this.context;
    const others = allImages(shelf.trees).filter((other) => other.name !== name);
    const answers = await askForm({
      title: `The parent of ${name}`,
      detail: `It stands on ${told}, which is not here. Choose the image that this is: no other will do.`,
      fields: [
        { name: "parent", label: "Parent", choices: others.map(({ name: value }) => ({ value, label: value })) },
      ],
      action: "Use it",
      check: ({ parent = "" }) => (parent === "" ? "There is no other image: import the parent first." : null),
    });
    if (answers === null) return;
    const parent = answers.parent!;
    await this.do(`The parent of ${name}`, `${name} stands on ${parent}`, name, () =>
      host.image("setParent", name, parent),
    );
  }

  private async revert(name: string, ancestors: readonly string[]): Promise<void> {
    const answers = await askForm({
      title: `Go back with ${name}`,
      detail: `What was written to ${name} since is lost.`,
      fields: [{ name: "snapshot", label: "Back to", choices: ancestors.map((value) => ({ value, label: value })) }],
      action: "Go back",
    });
    if (answers === null) return;
    const snapshot = answers.snapshot!;
    const { host } = this.context;
    await this.do(`Going back to ${snapshot}`, `${name} is what ${snapshot} holds`, name, () =>
      host.image("revert", name, snapshot),
    );
  }

  private async coalesce(name: string, parent: string): Promise<void> {
    const sure = await confirmAction({
      title: `Merge ${name} into ${parent}?`,
      detail: `One image is left, ${name}, with what it holds now. The state that ${parent} keeps is given up.`,
      action: "Merge",
    });
    if (!sure) return;
    const { host } = this.context;
    await this.do(`Merging ${name}`, `${name} and ${parent} merged`, name, () =>
      this.long(`Merging ${name}`, `The merge of ${name}`, (tell) => host.imageJob("coalesce", [name], tell)),
    );
  }

  private async resize(name: string, sizeBytes: number, inUse: boolean): Promise<void> {
    const shown = formatBytes(sizeBytes);
    const answers = await askForm({
      title: `Resize ${name}`,
      detail: inUse
        ? "It grows while its guest runs; the new part is zeros."
        : "The new part is zeros. It shrinks only by what holds nothing but zeros: shrink file systems first.",
      fields: [{ name: "size", label: "Size", value: shown, hint: SIZE_HINT }],
      action: "Resize",
      check: ({ size = "" }) => sizeProblem(size),
    });
    if (answers === null) return;
    // What was shown is rounded: left as it is it means the size that the image has.
    if (answers.size === shown) return;
    const bytes = parseSize(answers.size!)!;
    const { host } = this.context;
    await this.do(`Resizing ${name}`, `${name} has ${formatBytes(bytes)}`, name, () =>
      host.image("resize", name, bytes),
    );
  }

  async remove(name: string): Promise<void> {
    const { shelf, host } = this.context;
    const dependents = dependentsOf(shelf.trees, name);
    const all = [name, ...dependents];
    const uses = all.flatMap((image) => shelf.usesOf(image).map(({ domain, vdev }) => `${domain} (${vdev})`));
    if (uses.length > 0) {
      const title = `${name} is in use`;
      const detail = `${[...new Set(uses)].join(", ")} ${uses.length === 1 ? "uses" : "use"} it.`;
      this.context.notify({
        tone: "error",
        title,
        detail,
        nextStep: "Detach the disk, or shut the domain down first.",
      });
      return;
    }
    const lost =
      dependents.length === 0 ? "Nothing stands on it." : `${dependents.join(", ")} stand on it, and go with it.`;
    const sure = await confirmAction({
      title: dependents.length === 0 ? `Delete ${name}?` : `Delete ${all.length} images?`,
      detail: `What ${name} holds is lost. ${lost}`,
      action: "Delete",
    });
    if (!sure) return;
    await this.do(`Deleting ${name}`, `${all.join(", ")} deleted`, null, async () => {
      for (const image of all.reverse()) await host.image("remove", image);
    });
  }

  /** Work with progress; answers what to tell when it was cancelled. */
  private async long(title: string, what: string, work: (tell: TellProgress) => Promise<void>): Promise<unknown> {
    const done = await this.context.jobs.run(title, (job) => work(job.tell));
    return done ? undefined : `${what} was cancelled`;
  }

  /** Does it, looks again, and shows the image that came of it. Work that has come to another end answers what to tell. */
  private async do(tried: string, told: string, image: string | null, work: () => Promise<unknown>): Promise<void> {
    const { shelf } = this.context;
    try {
      const other = await work();
      this.context.announce(typeof other === "string" ? other : told);
    } catch (error) {
      this.context.fail(imageFailure(tried, error));
    }
    try {
      await shelf.look();
    } catch (error) {
      this.context.fail(imageFailure("Looking at the images", error));
    }
    if (image !== null && shelf.names.has(image)) this.select(image);
  }
}

function sizeProblem(size: string): string | null {
  return parseSize(size) === null ? `"${size}" is no size. ${SIZE_HINT}` : null;
}

function endingProblem(name: string, isRaw: boolean): string | null {
  if (isRaw === !/\.vhd$/i.test(name)) return null;
  return isRaw ? "A raw image’s name must not end in .vhd." : "A VHD’s name ends in .vhd.";
}
