/**
 * Domain0's main work: when its doorbell rings, look at everything that may have changed and act. One pass takes pending
 * event channels, serves xenstore and console rings, moves serial bytes and notices domains that stopped.
 */
import { ShutdownReason as CoreReason, CrashReason } from "../../wasm-core/abi/structs/domain.js";
import type { ShutdownReason } from "../api/types.js";
import { type CoreLink, type DomainView, domainView } from "../core-link/index.js";
import type { EventChannels } from "../evtchn/index.js";
import type { LogRing } from "../util/index.js";
import type { HypervisorLog } from "./hypervisor-log.js";
import type { DomainRecord, Outcome } from "./record.js";

export interface ServiceParts {
  readonly core: CoreLink;
  readonly channels: EventChannels;
  readonly log: LogRing;
  readonly hypervisorLog: HypervisorLog;
  records(): Iterable<DomainRecord>;
  /** Called once per domain, when it is seen to have stopped. */
  stopped(record: DomainRecord, outcome: Outcome): void;
}

const ALL_ONES = 0xffffffff;

const REASONS = new Map<number, ShutdownReason>([
  [Number(CoreReason.values.POWEROFF), "poweroff"],
  [Number(CoreReason.values.REBOOT), "reboot"],
  [Number(CoreReason.values.SUSPEND), "suspend"],
  [Number(CoreReason.values.CRASH), "crash"],
  [Number(CoreReason.values.WATCHDOG), "watchdog"],
  [Number(CoreReason.values.SOFT_RESET), "soft-reset"],
]);

const CRASHES = new Map<number, string>(
  Object.entries(CrashReason.values).map(([name, value]) => [Number(value), name]),
);

/** One pass; true when there is more to do at once. */
export function servicePass(parts: ServiceParts): boolean {
  let more = parts.channels.dispatch();
  for (const record of parts.records()) {
    if (serveRings(record)) more = true;
    noticeStop(parts, record);
  }
  parts.hypervisorLog.drain();
  return more;
}

function serveRings(record: DomainRecord): boolean {
  let more = false;
  if (record.storeDue) {
    record.storeDue = record.store?.serve() ?? false;
    more ||= record.storeDue;
  }
  if (record.consoleDue) {
    record.consoleDue = record.console?.serve() ?? false;
    more ||= record.consoleDue;
  }
  record.serial?.serve();
  return more;
}

function noticeStop(parts: ServiceParts, record: DomainRecord): void {
  if (record.outcome || record.dying || !record.exists) return;
  const domain = domainView(parts.core, record.domid);
  if (!domain || domain.get("shutdown") === 0) return;
  // What it wrote last must be seen before the word that it is over.
  record.console?.serve();
  record.serial?.serve();
  const outcome = readOutcome(domain);
  const crash = outcome.reason === "crash" ? `, ${CRASHES.get(domain.get("crashReason")) ?? "unknown"}` : "";
  parts.log.write(`d${record.domid}: ${record.name} stopped: ${outcome.reason}${crash}`);
  record.outcome = outcome;
  parts.stopped(record, outcome);
}

function readOutcome(domain: DomainView): Outcome {
  const status = domain.get("exitStatus");
  if (status !== ALL_ONES) return { reason: "exit", exitStatus: status };
  return { reason: REASONS.get(domain.get("shutdownReason")) ?? "crash" };
}
