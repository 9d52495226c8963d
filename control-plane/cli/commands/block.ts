/** Verbs of a running domain's disks: block-attach, block-detach, block-list, cd-insert, cd-eject. */
import { type DiskConfig, type DiskInfo, parseDiskSpec } from "../../api/index.js";
import { usageError } from "../errors.js";
import { imagePath, withPath } from "../image-paths.js";
import { print } from "../output.js";
import type { RemoteHost } from "../socket/index.js";
import { withDomain } from "./with-host.js";

/** As xl does: several words are one text. */
function diskOf(words: readonly string[]): DiskConfig {
  const text = words.join(",");
  const result = parseDiskSpec(text);
  if (result.ok) return result.disk;
  const { offset, message } = result.fault;
  throw usageError(`disk: ${message}\n  ${text}\n  ${" ".repeat(offset)}^`);
}

export function blockAttach([domain, ...words]: readonly string[]): Promise<number> {
  const disk = diskOf(words);
  return withDomain(domain!, async (host, domid) => host.attachDisk(domid, await withPath(disk)));
}

export function blockDetach(
  [domain, vdev]: readonly string[],
  { force = false }: { readonly force?: boolean },
): Promise<number> {
  return withDomain(domain!, (host, domid) => host.detachDisk(domid, vdev!, force));
}

export function cdInsert([domain, vdev, image]: readonly string[]): Promise<number> {
  const disk = diskOf([image!, "", vdev!, "cdrom"]);
  return withDomain(domain!, async (host, domid) =>
    host.changeMedium(domid, vdev!, await imagePath(disk.target), disk.format),
  );
}

export function cdEject([domain, vdev]: readonly string[]): Promise<number> {
  return withDomain(domain!, (host, domid) => host.changeMedium(domid, vdev!, null));
}

export function blockList([domain]: readonly string[], { long = false }: { readonly long?: boolean }): Promise<number> {
  return withDomain(domain!, async (host, domid) => {
    const disks = await host.disks(domid);
    if (long) print(`${JSON.stringify(disks, null, 2)}\n`);
    else print(`${HEADER}\n${(await Promise.all(disks.map((disk) => row(host, domid, disk)))).join("")}`);
  });
}

/** Xen's table, with what people look for at its end. */
const HEADER = "Vdev  BE  handle state evt-ch ring-ref BE-path                        image";

async function row(host: RemoteHost, domid: number, disk: DiskInfo): Promise<string> {
  const frontend = `/local/domain/${domid}/device/vbd/${disk.id}`;
  const key = async (...names: string[]): Promise<string> => {
    for (const name of names) {
      const value = await host.xenstoreRead(`${frontend}/${name}`);
      if (value !== null) return value;
    }
    return "-";
  };
  const channel = await key("event-channel", "queue-0/event-channel");
  const ring = await key("ring-ref", "ring-ref0", "queue-0/ring-ref", "queue-0/ring-ref0");
  const { config, readOnly, chain } = disk;
  const image = config.target === "" ? "(empty)" : (chain[0] ?? config.target);
  const words = [
    disk.vdev.padEnd(5),
    "0".padEnd(3),
    String(disk.id).padEnd(6),
    String(disk.state).padEnd(5),
    channel.padEnd(6),
    ring.padEnd(8),
    disk.backendPath.padEnd(30),
    `${image}${readOnly ? " (read-only)" : ""}`,
  ];
  return `${words.join(" ")}\n`;
}
