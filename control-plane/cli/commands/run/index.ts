/** `xl run`: a machine in this process, from its configurations to one exit status. */
import type { DomainConfig, LifecycleAction } from "../../../api/index.js";
import type { GuestFlavour } from "../../../guest/index.js";
import { type DomainPlan, loadImages } from "../../config/index.js";
import { usageError } from "../../errors.js";
import { plansOf } from "../../plans.js";
import { didYouMean } from "../../suggest.js";
import { ExecOutput, withCommand } from "./exec.js";
import { runGuests } from "./session.js";

export interface RunOptions {
  readonly default?: boolean;
  readonly exec?: string;
  readonly flavour?: GuestFlavour;
  readonly timeout?: number;
  readonly stats?: string;
  readonly console?: string;
  readonly pcpus?: number;
  readonly singleThread?: boolean;
  readonly memory?: number;
  readonly deterministic?: boolean;
  /** False with --no-jit. */
  readonly jit?: boolean;
  readonly seed?: number;
  readonly coreDumps?: string;
  readonly images?: readonly string[];
  /** False with --no-network and --no-host-loopback. */
  readonly network?: boolean;
  readonly hostLoopback?: boolean;
}

export async function run(args: readonly string[], options: RunOptions): Promise<number> {
  checkOptions(options);
  const plans = await plansToRun(args, options);
  const consoleIndex = options.console === undefined ? 0 : indexOfName(plans, options.console);
  const guests = await Promise.all(plans.map(loadImages));
  // Only dynamically: the bundle finds its neighbours by where this module lies.
  const { connectNode } = await import("../../../api/connect-node.js");
  const host = await connectNode(machineOptions(options));
  return runGuests({
    host,
    guests: guests.map(keepUntilSeen),
    consoleIndex,
    consoleKind: plans[consoleIndex]!.console,
    exec: options.exec === undefined ? null : new ExecOutput(process.stdout.isTTY !== true),
    timeoutMs: options.timeout === undefined ? null : options.timeout * 1000,
    statsFile: options.stats ?? null,
  });
}

function checkOptions({ deterministic, pcpus, seed, singleThread }: RunOptions): void {
  if (singleThread && (pcpus ?? 1) !== 1) throw usageError("--single-thread has one pCPU: leave out --pcpus");
  if (deterministic && (pcpus ?? 1) !== 1) throw usageError("--deterministic runs on one pCPU: leave out --pcpus");
  if (seed !== undefined && !deterministic) throw usageError("--seed is for --deterministic runs");
}

async function plansToRun(args: readonly string[], options: RunOptions): Promise<DomainPlan[]> {
  if (options.exec === undefined) return plansOf(args, options);
  const isOwnGuest = args.some((argument) => !argument.includes("=") || argument.startsWith("kernel="));
  const [first, ...others] = await plansOf(args, { ...options, default: options.default ?? !isOwnGuest });
  return [withCommand(first!, options.exec), ...others];
}

function indexOfName(plans: readonly DomainPlan[], name: string): number {
  const names = plans.map(({ settings }) => settings.name);
  const index = names.indexOf(name);
  if (index >= 0) return index;
  throw usageError(`--console: no guest of this run is named "${name}"${didYouMean(name, names)}`);
}

function machineOptions(options: RunOptions) {
  const { pcpus, memory, deterministic, seed, jit, singleThread, coreDumps, images, hostLoopback } = options;
  return {
    ...(pcpus === undefined ? {} : { pcpus }),
    ...(memory === undefined ? {} : { memoryMiB: memory }),
    ...(deterministic ? { deterministic } : {}),
    ...(seed === undefined ? {} : { seed }),
    ...(jit === false ? { jit } : {}),
    ...(singleThread ? { singleThread } : {}),
    ...(images === undefined ? {} : { imageFolders: images }),
    ...(hostLoopback === false ? { hostLoopback } : {}),
    coreDumpDirectory: coreDumps ?? ".",
  };
}

/** A guest that is to be destroyed at its end stays until its use has been read; the machine ends soon after anyway. */
function keepUntilSeen(config: DomainConfig): DomainConfig {
  const kept = (action: LifecycleAction | undefined, otherwise: LifecycleAction): LifecycleAction =>
    (action ?? otherwise) === "destroy" ? "preserve" : (action ?? otherwise);
  return {
    ...config,
    onPoweroff: kept(config.onPoweroff, "destroy"),
    onReboot: kept(config.onReboot, "restart"),
    onCrash: kept(config.onCrash, "destroy"),
    onWatchdog: kept(config.onWatchdog, "destroy"),
  };
}
