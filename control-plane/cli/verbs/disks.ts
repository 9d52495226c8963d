/** Verbs about disks: those of domains, and the images themselves. */
import type { Verb } from "./verb.js";
import { VHD_VERBS } from "./vhd.js";

export const DISK_VERBS: readonly Verb[] = [
  {
    name: "block-attach",
    arguments: "<domain> <disk...>",
    summary: "give a running domain one more disk",
    details: `DISK is as in disk = [ ... ] of a configuration: image,format,vdev,access, or keywords: format= (raw, vhd, qcow2),
vdev=, access= (r, w), devtype= (disk, cdrom), and last target=. Linux shows it as soon as its driver xen-blkfront is there.`,
    examples: [
      ["block-attach web data.vhd,vhd,xvdb,w", "data.vhd becomes /dev/xvdb"],
      ["block-attach web data.vhd vhd xvdb r", "the same, only to read"],
      ["block-attach web vdev=xvdc,access=r,target=https://example.org/set.vhd", "an image of a web server"],
    ],
    load: async () => (await import("../commands/block.js")).blockAttach,
  },
  {
    name: "block-detach",
    arguments: "<domain> <vdev>",
    summary: "take a disk from a running domain",
    details:
      "The guest is asked and has ten seconds. Unmount file systems first: Linux gives a disk up even while it is mounted.",
    options: [{ flags: "--force", text: "do not ask the guest" }],
    examples: [["block-detach web xvdb", "its image is closed when this returns"]],
    load: async () => (await import("../commands/block.js")).blockDetach,
  },
  {
    name: "block-list",
    arguments: "<domain>",
    summary: "the disks of a domain",
    details: "State: 2 waiting for the guest's driver, 4 in use, 5 closing, 6 closed.",
    options: [{ flags: "-l, --long", text: "all that is known of them, as JSON" }],
    examples: [["block-list web", "its disks, with their images"]],
    load: async () => (await import("../commands/block.js")).blockList,
  },
  {
    name: "cd-insert",
    arguments: "<domain> <vdev> <image>",
    summary: "put a medium into a CD-ROM drive",
    details: "The drive is a disk with devtype=cdrom of the configuration. The guest sees its size change.",
    examples: [["cd-insert web xvdd debian.iso", "read it as /dev/xvdd"]],
    load: async () => (await import("../commands/block.js")).cdInsert,
  },
  {
    name: "cd-eject",
    arguments: "<domain> <vdev>",
    summary: "take the medium out of a CD-ROM drive",
    examples: [["cd-eject web xvdd", "the drive stays, empty"]],
    load: async () => (await import("../commands/block.js")).cdEject,
  },
  {
    name: "vhd",
    summary: "make, look at and change images of disks",
    details: `Images are VHD files (also raw and qcow2), alone or in chains. What a running domain uses is changed under it: snapshot,
coalesce and growing need no pause. While a host runs it does all of this; "xl vhd VERB --help" explains each.`,
    verbs: VHD_VERBS,
    examples: [
      ["vhd create disk.vhd 10G", "an empty disk, as large as what will be written to it"],
      ["vhd snapshot disk.vhd monday.vhd", "keep what it holds now"],
      ["vhd list", "all images here, as a tree"],
    ],
    load: async () => (await import("../commands/vhd/index.js")).vhd,
  },
];
