/** The verbs below `xl vhd`. */
import { oneOf } from "./values.js";
import type { Verb, VerbOption } from "./verb.js";

const KIND: VerbOption = {
  flags: "-t, --type <type>",
  text: "dynamic (VHD that grows, the default), fixed (VHD of full size) or raw",
  parse: oneOf("dynamic", "fixed", "raw"),
};
const FORMAT: VerbOption = {
  flags: "-f, --format <format>",
  text: "raw, vhd or qcow2, when the name does not tell",
  parse: oneOf("raw", "vhd", "qcow2"),
};
const JSON_OPTION: VerbOption = { flags: "-l, --long", text: "as JSON" };
const commands = () => import("../commands/vhd/index.js");

export const VHD_VERBS: readonly Verb[] = [
  {
    name: "create",
    arguments: "<image> <size>",
    summary: "make an empty image",
    details:
      "SIZE is in MiB, or with K, M, G or T. A dynamic VHD holds up to 2040G and takes only what is written to it.",
    options: [KIND],
    examples: [
      ["vhd create disk.vhd 20G", "grows as it is written to"],
      ["vhd create -t raw disk.img 512M", "raw"],
    ],
    load: async () => (await commands()).create,
  },
  {
    name: "info",
    arguments: "<image>",
    summary: "what is known of an image",
    options: [FORMAT, JSON_OPTION],
    examples: [["vhd info disk.vhd", "size, kind, parent, how much of it is used"]],
    load: async () => (await commands()).info,
  },
  {
    name: "list",
    alias: "ls",
    arguments: "[folder]",
    summary: "the images of a folder, as a tree: what stands on what",
    options: [JSON_OPTION],
    examples: [["vhd list", "those here"]],
    load: async () => (await commands()).list,
  },
  {
    name: "check",
    arguments: "<image>",
    summary: "look for damage in an image and in all that it stands on",
    details: "Changes nothing. Exit status: 0 no damage, 1 something is wrong.",
    options: [FORMAT, JSON_OPTION],
    examples: [["vhd check disk.vhd", "every kind of damage by name"]],
    load: async () => (await commands()).check,
  },
  {
    name: "repair",
    arguments: "<image>",
    summary: "mend what can be mended without loss",
    options: [
      {
        flags: "--give-up-blocks",
        text: "also give up blocks that cannot be right: they read as zeros, or as the parent's",
      },
    ],
    examples: [["vhd repair disk.vhd", "says what it mended"]],
    load: async () => (await commands()).repair,
  },
  {
    name: "snapshot",
    arguments: "<image> <snapshot>",
    summary: "keep what a disk holds now under another name, also while a guest uses it",
    details: `The image goes on under its own name, over the snapshot: configurations stay as they are. The snapshot is what a power
cut at that moment would have left. With --quiesce the guest freezes its file systems for that moment, so that none of them has
anything to repeat; it needs Xenolith's freeze-agent for that, which the default guest has. Where it cannot, no snapshot is taken.`,
    options: [
      { flags: "--quiesce", text: "freeze the guest's file systems meanwhile, or fail" },
      { flags: "--try-quiesce", text: "freeze them if that can be, and say so if not" },
    ],
    examples: [
      ["vhd snapshot disk.vhd before-upgrade.vhd", "the guest waits for nothing"],
      ["vhd snapshot --quiesce disk.vhd backup.vhd", "its file systems are clean"],
    ],
    load: async () => (await commands()).snapshot,
  },
  {
    name: "clone",
    arguments: "<parent> <image>",
    summary: "make a writable image over another one, in an instant",
    details: `PARENT is a snapshot, or any image that nobody writes to any more; or the address of one on a web server. Any number of
clones stand on one parent, which may not be written to from then on.`,
    examples: [
      ["vhd clone golden.vhd web1.vhd", "web1.vhd starts as golden.vhd is"],
      ["vhd clone https://example.org/debian.vhd mine.vhd", "read from there, written here"],
    ],
    load: async () => (await commands()).clone,
  },
  {
    name: "coalesce",
    arguments: "<image>",
    summary: "merge an image into the snapshot below it, also while a guest uses it",
    details:
      "The snapshot is given up: the merged image has what the image has, and its name. Nothing else may stand on the snapshot.",
    examples: [["vhd coalesce disk.vhd", "one image less in its chain"]],
    load: async () => (await commands()).coalesce,
  },
  {
    name: "revert",
    arguments: "<image> <snapshot>",
    summary: "take a disk back to a snapshot below it",
    details: "What was written since is lost. The guest must be down.",
    examples: [["vhd revert disk.vhd before-upgrade.vhd", "as it was then"]],
    load: async () => (await commands()).revert,
  },
  {
    name: "resize",
    arguments: "<image> <size>",
    summary: "grow a disk, also while a guest uses it, or shrink one that is not in use",
    details: "SIZE as for create. Shrink file systems and partitions first: only zeros are cut off.",
    examples: [["vhd resize disk.vhd 40G", 'then "resize2fs /dev/xvda" in the guest']],
    load: async () => (await commands()).resize,
  },
  {
    name: "convert",
    arguments: "<source> <target>",
    summary: "copy what a disk shows into a new image: other formats, and chains into one",
    options: [KIND],
    examples: [
      ["vhd convert cloud.qcow2 disk.vhd", "a qcow2 image becomes a VHD"],
      ["vhd convert -t raw disk.vhd disk.img", "a chain becomes one raw file"],
    ],
    load: async () => (await commands()).convert,
  },
  {
    name: "rename",
    alias: "mv",
    arguments: "<image> <name>",
    summary: "give an image another name; those that stand on it find it there",
    details:
      "Within its folder, and only while no guest uses it or what stands on it. The ending stays: it tells the format.",
    examples: [["vhd rename monday.vhd golden.vhd", "its clones stand on golden.vhd"]],
    load: async () => (await commands()).rename,
  },
  {
    name: "set-parent",
    arguments: "<image> <parent>",
    summary: "say where the parent of an image is, after it was moved by other means",
    details: "It must be the very parent that the image was made for.",
    examples: [["vhd set-parent web1.vhd base/golden.vhd", "web1.vhd can be used again"]],
    load: async () => (await commands()).setParent,
  },
  {
    name: "remove",
    alias: "rm",
    arguments: "<image...>",
    summary: "remove images that nothing stands on and nobody uses",
    examples: [["vhd remove web1.vhd", "its parent stays"]],
    load: async () => (await commands()).remove,
  },
];
