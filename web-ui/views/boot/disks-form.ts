/** The disks of a new domain: images of this browser and of web servers, each with the name that the guest gives it. */
import {
  allImages,
  derivedName,
  type ImageShelf,
  type LaunchDisk,
  nameProblem,
  type Store,
  suggestVdev,
} from "../../state/index.js";
import { askForm, h, icon, vdevProblem } from "../common/index.js";

/** Adds an image of this browser. */
export function addImage(disks: Store<readonly LaunchDisk[]>, target: string): void {
  const isRead = /\.(iso|qcow2)$/i.test(target);
  const cdrom = /\.iso$/i.test(target);
  add(disks, { target, readOnly: isRead, cdrom, layer: null });
}

/** Adds an image at an address, with a local one over it. */
export function addAddress(disks: Store<readonly LaunchDisk[]>, target: string): void {
  add(disks, { target, readOnly: false, cdrom: false, layer: layerName(target, new Set()) });
}

function add(disks: Store<readonly LaunchDisk[]>, disk: Omit<LaunchDisk, "vdev">): void {
  disks.set([...disks.get(), { ...disk, vdev: suggestVdev(disks.get().map(({ vdev }) => vdev)) }]);
}

/** Named after the file at the address, so that the same address finds its layer again. */
function layerName(address: string, taken: ReadonlySet<string>): string {
  const file = decodeURIComponent(new URL(address).pathname.split("/").pop() || "server");
  return derivedName(file.replace(/[^\w.-]+/g, "-"), "layer", taken);
}

export function buildDisksForm(disks: Store<readonly LaunchDisk[]>, shelf: ImageShelf): HTMLElement {
  const list = h("ul", { class: "launch-disks", "aria-label": "Disks of the new domain" });
  const image = h("button", { type: "button", class: "button small", onclick: () => void pickImage(disks, shelf) });
  image.append(icon("plus"), "Image of this browser");
  const server = h(
    "button",
    { type: "button", class: "button small", onclick: () => void pickAddress(disks, shelf) },
    icon("plus"),
    "Image on a server",
  );
  disks.subscribe((chosen) => list.replaceChildren(...chosen.map((disk) => buildDisk(disk, disks))));
  const none = "This browser keeps no files for this page, so it has no disks: the Disks screen says why.";
  return h(
    "div",
    { class: "field", role: "group", "aria-label": "Disks" },
    h("p", { class: "field-title" }, "Disks"),
    list,
    ...(shelf.available ? [h("div", { class: "image-toolbar" }, image, server)] : [h("p", { class: "hint" }, none)]),
  );
}

function buildDisk(disk: LaunchDisk, disks: Store<readonly LaunchDisk[]>): HTMLElement {
  const remove = h(
    "button",
    { type: "button", class: "icon-button", "aria-label": `Remove ${disk.vdev}` },
    icon("close"),
  );
  remove.addEventListener("click", () => disks.set(disks.get().filter((other) => other !== disk)));
  return h("li", {}, h("span", { class: "mono" }, disk.vdev), h("span", {}, describe(disk)), remove);
}

function describe({ target, readOnly, cdrom, layer }: LaunchDisk): string {
  const how = cdrom ? ", CD-ROM" : readOnly ? ", read only" : "";
  return `${target}${how}${layer === null ? "" : `, writes go to ${layer}`}`;
}

async function pickImage(disks: Store<readonly LaunchDisk[]>, shelf: ImageShelf): Promise<void> {
  await shelf.look().catch(() => {});
  const images = allImages(shelf.trees).filter(({ info }) => info !== null);
  const used = disks.get().map(({ vdev }) => vdev);
  const answers = await askForm({
    title: "Add a disk",
    ...(images.length === 0 ? { detail: "There is no image yet: make or import one on the Disks screen." } : {}),
    fields: [
      {
        name: "target",
        label: "Image",
        // An image that others stand on can be read only; clones are what is written to.
        choices: images.map(({ name, children }) => ({
          value: name,
          label: children.length > 0 ? `${name} (snapshot: read only)` : name,
        })),
      },
      { name: "vdev", label: "Name in the guest", value: suggestVdev(used) },
      { name: "readOnly", label: "Read only", kind: "switch" },
      { name: "cdrom", label: "As a CD-ROM", kind: "switch" },
    ],
    action: "Add",
    check: ({ target, vdev = "" }) => (target === "" ? "Choose an image first." : vdevProblem(vdev, used)),
  });
  if (answers === null) return;
  const { target = "", vdev = "", readOnly, cdrom } = answers;
  const isParent = images.some(({ name, children }) => name === target && children.length > 0);
  const disk = { target, vdev, readOnly: readOnly === "on" || isParent, cdrom: cdrom === "on", layer: null };
  disks.set([...disks.get(), disk]);
}

async function pickAddress(disks: Store<readonly LaunchDisk[]>, shelf: ImageShelf): Promise<void> {
  await shelf.look().catch(() => {});
  const used = disks.get().map(({ vdev }) => vdev);
  const answers = await askForm({
    title: "Add a server’s image",
    detail: "It is read in pieces as the guest asks for them.",
    fields: [
      { name: "target", label: "Address", hint: "VHD, raw or qcow2, by http:// or https://." },
      { name: "vdev", label: "Name in the guest", value: suggestVdev(used) },
      {
        name: "layer",
        label: "Local image for what is written",
        value: derivedName("server", "layer", shelf.names),
        hint: "Empty: the disk is only read.",
      },
    ],
    action: "Add",
    check: ({ target = "", vdev = "", layer = "" }) => {
      if (!/^https?:\/\/./i.test(target)) return "An address begins with https:// or http://.";
      return vdevProblem(vdev, used) ?? (layer === "" ? null : layerProblem(layer));
    },
  });
  if (answers === null) return;
  const { target = "", vdev = "", layer = "" } = answers;
  const disk = { target, vdev, readOnly: layer === "", cdrom: false, layer: layer === "" ? null : layer };
  disks.set([...disks.get(), disk]);
}

/** One that is there already is used again. */
function layerProblem(layer: string): string | null {
  return (
    nameProblem(layer, new Set()) ?? (/\.vhd$/i.test(layer) ? null : "The local image is a VHD: its name ends in .vhd.")
  );
}
