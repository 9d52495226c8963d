/**
 * A host of its own process, to be killed: `killed-host.ts FOLDER` boots a Debian whose file system is on data.vhd, has it
 * write one file after the other, each followed by a sync of that file, and prints what the guest says of those that are durable.
 */
import { connectNode } from "../../control-plane/api/connect-node.js";
import { Debian } from "./debian.js";

const WRITES =
  "n=0; while :; do n=$((n + 1)); head -c $((n * 977 % 70000 + 1)) /dev/urandom >/mnt/f$n; sync /mnt/f$n; " +
  'echo "durable f$n $(sha256sum </mnt/f$n | cut -c -64)"; done';

const host = await connectNode({ singleThread: true, imageFolders: [process.argv[2]!] });
const debian = await Debian.boot(host, { disks: [{ target: "data.vhd", vdev: "xvda" }] });
await debian.output("mount -t ext4 /dev/xvda /mnt");
debian.console.follow((text) => process.stdout.write(text));
debian.console.type(`${WRITES}\n`);
