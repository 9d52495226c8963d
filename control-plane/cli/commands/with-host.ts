/** What verbs that talk to a running host share. */
import type { DomainInfo, DomId } from "../../api/index.js";
import { usageError } from "../errors.js";
import { connectSocket, type RemoteHost, socketAddress } from "../socket/index.js";

/** Connects to the host, does the work, and leaves. */
export async function withHost(work: (host: RemoteHost) => Promise<number>): Promise<number> {
  const host = await connectSocket(socketAddress());
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

/** One domain by name or number. */
export async function withDomain(
  nameOrId: string,
  work: (host: RemoteHost, domid: DomId) => Promise<void>,
): Promise<number> {
  return withHost(async (host) => {
    await work(host, await host.resolve(nameOrId));
    return 0;
  });
}

/** The domains that are named, or all. */
export async function infosOf(host: RemoteHost, names: readonly string[]): Promise<DomainInfo[]> {
  if (names.length === 0) return host.list();
  return Promise.all(names.map(async (name) => host.domain(await host.resolve(name))));
}

/** The domains that are named, or all with `--all`. */
export async function domidsOf(host: RemoteHost, names: readonly string[], all: boolean): Promise<DomId[]> {
  if (all && names.length > 0) throw usageError("give domains or --all, not both");
  if (all) return (await host.list()).map(({ domid }) => domid);
  if (names.length === 0) throw usageError('give a domain, by name or number, or --all; "xl list" shows them');
  return Promise.all(names.map((name) => host.resolve(name)));
}
