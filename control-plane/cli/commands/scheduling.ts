/** Verbs of the scheduler: vcpu-pin and sched-credit. */
import type { CpuSet, DomainInfo } from "../../api/index.js";
import { parseCpus } from "../cpus.js";
import { usageError } from "../errors.js";
import { print } from "../output.js";
import { infosOf, withDomain, withHost } from "./with-host.js";

/** `all,^2` names pCPUs that the machine may not have: only those that it has are meant. */
function cpuSet(text: string, pcpus: number): CpuSet {
  const set = parseCpus(text);
  if (set === null) throw usageError(`"${text}" is no list of physical CPUs: expected as in 0-3,5 or all,^1`);
  return set !== "all" && text.includes("all") ? set.filter((cpu) => cpu < pcpus) : set;
}

export function vcpuPin([domain, vcpu, hard, soft = "-"]: readonly string[]): Promise<number> {
  if (!/^(all|\d{1,3})$/.test(vcpu!)) throw usageError(`"${vcpu}" is not the number of a vCPU, nor "all"`);
  return withDomain(domain!, async (host, domid) => {
    const { pcpus } = await host.info();
    await host.pinVcpu(domid, vcpu === "all" ? null : Number(vcpu), {
      ...(hard === "-" ? {} : { hard: cpuSet(hard!, pcpus) }),
      ...(soft === "-" ? {} : { soft: cpuSet(soft, pcpus) }),
    });
  });
}

interface CreditOptions {
  readonly domain?: string;
  readonly weight?: number;
  readonly cap?: number;
  readonly schedparam?: boolean;
}

export function schedCredit(_: readonly string[], options: CreditOptions): Promise<number> {
  const { domain, weight, cap, schedparam } = options;
  const changes = weight !== undefined || cap !== undefined;
  if (changes && domain === undefined) throw usageError("give the domain too: -d DOMAIN");
  if (schedparam && (changes || domain !== undefined)) throw usageError("-s is about no domain: it stands alone");
  return withHost(async (host) => {
    if (domain !== undefined && changes) {
      const change = { ...(weight === undefined ? {} : { weight }), ...(cap === undefined ? {} : { cap }) };
      await host.setScheduling(await host.resolve(domain), change);
      return 0;
    }
    const { timesliceMs } = await host.info();
    if (domain === undefined) print(`Cpupool Pool-0: tslice=${timesliceMs}ms ratelimit=0us migration-delay=0us\n`);
    if (!schedparam) print(formatCredits(await infosOf(host, domain === undefined ? [] : [domain])));
    return 0;
  });
}

/** Xen's table. */
function formatCredits(infos: readonly DomainInfo[]): string {
  const row = (name: string, ...[id, weight, cap]: string[]) =>
    `${name.padEnd(33)} ${id!.padStart(4)} ${weight!.padStart(6)} ${cap!.padStart(4)}\n`;
  const rows = infos.map(({ name, domid, weight, cap }) => row(name, `${domid}`, `${weight}`, `${cap}`));
  return row("Name", "ID", "Weight", "Cap") + rows.join("");
}
