/** Verbs that change a domain: pause, unpause, shutdown, reboot, destroy, rename, mem-set, vcpu-set, sysrq, trigger. */
import { usageError } from "../errors.js";
import { say } from "../output.js";
import { didYouMean } from "../suggest.js";
import { domidsOf, withDomain, withHost } from "./with-host.js";

interface AskOptions {
  readonly wait?: boolean;
  readonly all?: boolean;
}

export const pause = ([domain]: readonly string[]) => withDomain(domain!, (host, domid) => host.pause(domid));

export const unpause = ([domain]: readonly string[]) => withDomain(domain!, (host, domid) => host.unpause(domid));

export const shutdown = (domains: readonly string[], options: AskOptions) => ask("poweroff", domains, options);

export const reboot = (domains: readonly string[], options: AskOptions) => ask("reboot", domains, options);

function ask(reason: "poweroff" | "reboot", domains: readonly string[], options: AskOptions): Promise<number> {
  return withHost(async (host) => {
    const domids = await domidsOf(host, domains, options.all ?? false);
    await Promise.all(
      domids.map(async (domid) => {
        await host.shutdown(domid, reason);
        if (!options.wait) return;
        const outcome = await host.waitShutdown(domid);
        if (outcome.reason !== reason) say(`domain ${domid} ended otherwise: ${outcome.reason}`);
      }),
    );
    return 0;
  });
}

export function destroy(domains: readonly string[]): Promise<number> {
  return withHost(async (host) => {
    for (const domain of domains) await host.destroy(await host.resolve(domain));
    return 0;
  });
}

export const rename = ([domain, name]: readonly string[]) =>
  withDomain(domain!, (host, domid) => host.rename(domid, name!));

const UNITS_MIB: Readonly<Record<string, number>> = { "": 1, k: 1 / 1024, m: 1, g: 1024, t: 1024 * 1024 };

/** MiB of `512`, `512m`, `1g`; null for what is no amount. */
export function parseMemory(text: string): number | null {
  const [, digits, unit] = /^(\d+)([kmgt]?)b?$/i.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return null;
  return Number(digits) * UNITS_MIB[unit.toLowerCase()]!;
}

export function memSet([domain, text]: readonly string[]): Promise<number> {
  const memoryMiB = parseMemory(text!);
  if (memoryMiB === null || !Number.isInteger(memoryMiB) || memoryMiB < 1) {
    throw usageError(`"${text}" is no amount of memory: expected MiB, as in 256, or a unit, as in 256m or 1g`);
  }
  return withDomain(domain!, (host, domid) => host.setMemory(domid, memoryMiB));
}

export function vcpuSet([domain, text]: readonly string[]): Promise<number> {
  if (!/^\d{1,3}$/.test(text!)) throw usageError(`"${text}" is no number of virtual CPUs`);
  return withDomain(domain!, (host, domid) => host.setVcpus(domid, Number(text)));
}

export function sysrq([domain, letter]: readonly string[]): Promise<number> {
  if (!/^[0-9a-z]$/i.test(letter!)) throw usageError(`"${letter}" is no system request: expected one letter or digit`);
  return withDomain(domain!, (host, domid) => host.trigger(domid, "sysrq", letter));
}

const TRIGGERS = ["nmi", "init", "reset"] as const;

export function trigger([domain, what, vcpu]: readonly string[]): Promise<number> {
  const kind = TRIGGERS.find((known) => known === what);
  if (!kind)
    throw usageError(`"${what}" cannot be triggered: expected nmi, init or reset${didYouMean(what!, TRIGGERS)}`);
  if (vcpu !== undefined && !/^\d{1,3}$/.test(vcpu)) throw usageError(`"${vcpu}" is not the number of a vCPU`);
  return withDomain(domain!, (host, domid) => host.trigger(domid, kind, vcpu));
}
