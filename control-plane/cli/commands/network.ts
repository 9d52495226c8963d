/** Verbs of a running domain's interfaces: network-attach, network-detach, network-list, network-set. */
import { parseVifSpec, type VifConfig, type VifInfo } from "../../api/index.js";
import { CliError, Exit, usageError } from "../errors.js";
import { readChange } from "../line-words.js";
import { print } from "../output.js";
import type { RemoteHost } from "../socket/index.js";
import { withDomain, withHost } from "./with-host.js";

/** As xl does: several words are one text. */
function vifOf(words: readonly string[]): VifConfig {
  const text = words.join(",");
  const result = parseVifSpec(text);
  if (result.ok) return result.vif;
  const { offset, message } = result.fault;
  throw usageError(`vif: ${message}\n  ${text}\n  ${" ".repeat(offset)}^`);
}

export function networkAttach([domain, ...words]: readonly string[]): Promise<number> {
  const vif = vifOf(words);
  return withDomain(domain!, async (host, domid) => void (await host.attachVif(domid, vif)));
}

export function networkDetach(
  [domain, vif]: readonly string[],
  { force = false }: { readonly force?: boolean },
): Promise<number> {
  return withDomain(domain!, async (host, domid) => {
    const { devid } = await findVif(host, domid, vif!);
    await host.detachVif(domid, devid, force);
  });
}

export function networkSet([domain, vif, ...words]: readonly string[]): Promise<number> {
  return withDomain(domain!, async (host, domid) => {
    const found = await findVif(host, domid, vif!);
    await host.setVif(domid, found.devid, readChange(words, found));
  });
}

/** By number, MAC address or name; a domain's only one also by nothing. */
export async function findVif(
  host: RemoteHost,
  domid: Parameters<RemoteHost["vifs"]>[0],
  text: string | undefined,
): Promise<VifInfo> {
  const vifs = await host.vifs(domid);
  if (text === undefined && vifs.length === 1) return vifs[0]!;
  const found = vifs.find(
    ({ devid, mac, name }) => text === String(devid) || text?.toLowerCase() === mac || text === name,
  );
  if (found !== undefined) return found;
  const known =
    vifs.length === 0 ? "it has none" : `it has ${vifs.map(({ devid, mac }) => `${devid} (${mac})`).join(", ")}`;
  const wanted = text === undefined ? "say which interface" : `domain ${domid} has no interface "${text}"`;
  throw new CliError(Exit.USAGE, `${wanted}: ${known}`);
}

export function networkList(
  domains: readonly string[],
  { long = false }: { readonly long?: boolean },
): Promise<number> {
  return withHost(async (host) => {
    const domids = await Promise.all(domains.map((domain) => host.resolve(domain)));
    const lists = await Promise.all(domids.map(async (domid) => ({ domid, vifs: await host.vifs(domid) })));
    if (long)
      print(
        `${JSON.stringify(
          lists.flatMap(({ vifs }) => vifs),
          null,
          2,
        )}\n`,
      );
    else {
      print(`${HEADER}\n`);
      for (const { domid, vifs } of lists) for (const vif of vifs) print(await row(host, domid, vif));
    }
    return 0;
  });
}

/** Xen's table, with what people look for at its end. */
const HEADER = "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                        network";

async function row(host: RemoteHost, domid: number, vif: VifInfo): Promise<string> {
  const frontend = `/local/domain/${domid}/device/${vif.config.type ?? "vif"}/${vif.devid}`;
  const key = async (...names: string[]): Promise<string> => {
    for (const name of names.flatMap((name) => [name, `queue-0/${name}`])) {
      const value = await host.xenstoreRead(`${frontend}/${name}`);
      if (value !== null) return value;
    }
    return "-1";
  };
  const rings = `${(await key("tx-ring-ref", "prod-gref-0")).padStart(6)}/${(await key("rx-ring-ref", "cons-gref-0")).padEnd(11)}`;
  const words = [
    String(vif.devid).padEnd(3),
    "0".padEnd(2),
    vif.mac,
    String(vif.devid).padStart(6),
    String(vif.state).padStart(5),
    (await key("event-channel-tx", "event-channel")).padStart(6),
    rings,
    vif.backendPath.padEnd(30),
    describeNetwork(vif),
  ];
  return `${words.join(" ")}\n`;
}

/** "nat 10.0.2.15 (tcp 127.0.0.1:8080 to 80), link down" */
function describeNetwork({ network, addresses, forwards, linkUp }: VifInfo): string {
  const ways = forwards.map(
    ({ protocol, hostAddress = "127.0.0.1", hostPort, guestPort }) =>
      `${protocol} ${hostAddress}:${hostPort} to ${guestPort}`,
  );
  const words = [network, ...addresses, ...(ways.length === 0 ? [] : [`(${ways.join(", ")})`])];
  return `${words.join(" ")}${linkUp ? "" : ", link down"}`;
}
