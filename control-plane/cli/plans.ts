/** From the arguments of `run` and `create` to plans of domains. */
import type { GuestFlavour } from "../guest/index.js";
import { type ConfigDefaults, type DomainPlan, planFromOverrides, readPlan, sortArguments } from "./config/index.js";
import { usageError } from "./errors.js";

export interface PlanOptions {
  /** The default guest, by --default. */
  readonly default?: boolean;
  readonly flavour?: GuestFlavour;
  /** A command for the default guest: only Linux runs it. */
  readonly exec?: string;
  /** False with --no-network. */
  readonly network?: boolean;
  /** What comes from outside comes when it comes: the default guest does without. */
  readonly deterministic?: boolean;
}

/** Plans of all configuration files, and of the default guest or of settings alone where there are none. */
export async function plansOf(args: readonly string[], options: PlanOptions): Promise<DomainPlan[]> {
  const { files, overrides } = sortArguments(args);
  const plans = await Promise.all(files.map((file) => readPlan(file, overrides)));
  if (options.default) plans.push(planFromOverrides(overrides, await guestDefaults(options)));
  else if (files.length === 0 && overrides.some((override) => override.startsWith("kernel="))) {
    plans.push(planFromOverrides(overrides, { name: "guest" }));
  }
  if (plans.length === 0) {
    throw usageError("give a configuration file, kernel=FILE, or --default for Debian's Linux");
  }
  const names = plans.map(({ settings }) => settings.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw usageError(`two guests are named "${twice}": set name in their configurations`);
  return options.network === false ? plans.map(withoutNetwork) : plans;
}

async function guestDefaults(options: PlanOptions): Promise<ConfigDefaults> {
  const { defaultGuest } = await import("./default-guest.js");
  const guest = await defaultGuest(options.flavour, options.exec !== undefined);
  return options.deterministic ? guest : { ...guest, vifs: [{}] };
}

function withoutNetwork(plan: DomainPlan): DomainPlan {
  const { vifs: _, ...settings } = plan.settings;
  return { ...plan, settings };
}
