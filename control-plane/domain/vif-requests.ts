/** What people ask of a running domain's interfaces. Each change takes its place in the domain's queue. */
import type { DomId, LineImpairment, VifChange, VifConfig } from "../api/types.js";
import { err, ok } from "../util/index.js";
import type { DomainRecord } from "./record.js";
import type { Toolstack, ToolstackResult } from "./toolstack.js";
import { checkVif, isRateWindow } from "./vif-checks.js";
import { DomainVif } from "./vifs.js";

/** The answer is the number of the interface. */
export async function attachVif(
  toolstack: Toolstack,
  domid: DomId,
  config: VifConfig,
): Promise<ToolstackResult<number>> {
  const wrong = checkVif(config);
  if (wrong !== null) return err("bad-config", wrong);
  return toolstack.withDomain(domid, async (record) => {
    if (record.outcome) return err("bad-state", `domain ${domid} has shut down`);
    const taken = new Set(record.vifs.keys());
    if (config.devid !== undefined && taken.has(config.devid)) {
      return err("name-taken", `domain ${domid} has an interface ${config.devid}`);
    }
    const vif = await DomainVif.open(toolstack.context.vifs, domid, { config }, taken, record.config.maxVcpus);
    if (!vif.ok) return vif;
    record.vifs.set(vif.value.devid, vif.value);
    vif.value.start();
    toolstack.notifyChanged(domid);
    return ok(vif.value.devid);
  });
}

/** Waits for the guest outside of the queue: meanwhile the domain may be destroyed, or asked for something else. */
export async function detachVif(
  toolstack: Toolstack,
  domid: DomId,
  devid: number,
  force: boolean,
): Promise<ToolstackResult<void>> {
  const vif = findVif(toolstack, domid, devid);
  if (!vif.ok) return vif;
  const { record, vif: leaving } = vif.value;
  if (!force && !record.outcome && !(await leaving.release())) {
    return err("bad-state", `the guest has not let go of ${leaving.name}: take it away with --force`);
  }
  return toolstack.withDomain(domid, async (current) => {
    if (current.vifs.get(devid) !== leaving) return ok(undefined);
    current.vifs.delete(devid);
    await leaving.close();
    leaving.removeKeys();
    toolstack.notifyChanged(domid);
    return ok(undefined);
  });
}

export async function setVif(
  toolstack: Toolstack,
  domid: DomId,
  devid: number,
  change: VifChange,
): Promise<ToolstackResult<void>> {
  const wrong = checkChange(change);
  if (wrong !== null) return err("bad-config", wrong);
  const vif = findVif(toolstack, domid, devid);
  if (!vif.ok) return vif;
  vif.value.vif.change(change);
  toolstack.notifyChanged(domid);
  return ok(undefined);
}

export function findVif(
  toolstack: Toolstack,
  domid: number,
  devid: number,
): ToolstackResult<{ record: DomainRecord; vif: DomainVif }> {
  const record = toolstack.find(domid);
  if (!record.ok) return record;
  const vif = record.value.vifs.get(devid);
  if (vif) return ok({ record: record.value, vif });
  const names = [...record.value.vifs.values()].map((known) => `${known.devid} (${known.name})`);
  const known = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
  return err("not-found", `domain ${domid} has no interface ${devid}: ${known}`);
}

const LONGEST_DELAY_MS = 60_000;

function checkChange(change: VifChange): string | null {
  const { rateBytesPerSecond: rate, rateWindowUs: us, fromGuest = {}, toGuest = {} } = change;
  if (rate !== undefined && !(rate >= 0 && Number.isFinite(rate))) return `rate: ${rate} is not a number from 0`;
  if (us !== undefined && !isRateWindow(us)) return `rate: windows of ${us} microseconds cannot be`;
  return checkLine(fromGuest) ?? checkLine(toGuest);
}

function checkLine(line: LineImpairment): string | null {
  for (const [key, value] of Object.entries(line)) {
    if (value === undefined) continue;
    const most = key === "rateBytesPerSecond" ? Number.MAX_VALUE : key.endsWith("Ms") ? LONGEST_DELAY_MS : 1;
    if (!(typeof value === "number" && value >= 0 && value <= most)) return `${key}: ${value} is not from 0 to ${most}`;
  }
  return null;
}
