/** Reads configurations and the images they name from files: from the arguments of a verb to what the API takes. */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, resolve } from "node:path";
import type { DomainConfig } from "../../api/index.js";
import { applyOverrides, CfgSyntaxError, isOverride, parseCfg } from "../cfg/index.js";
import { fileError, usageError } from "../errors.js";
import { withPath } from "../image-paths.js";
import { say } from "../output.js";
import { type ConfigDefaults, type ConfigResult, type DomainPlan, planDomain } from "./config.js";

/** The arguments of `run` and `create`, sorted. */
export interface ConfigArguments {
  readonly files: readonly string[];
  readonly overrides: readonly string[];
}

/** Tells configuration files from settings, which count for every file. */
export function sortArguments(args: readonly string[]): ConfigArguments {
  return {
    files: args.filter((argument) => !isOverride(argument)),
    overrides: args.filter((argument) => isOverride(argument)),
  };
}

/** Reads one configuration file with the settings of the command line on top. A failure is a CliError. */
export async function readPlan(file: string, overrides: readonly string[]): Promise<DomainPlan> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw fileError("configuration", file, error);
  });
  const name = basename(file, extname(file));
  const defaults = /^[A-Za-z_.+-]/.test(name) && !/[^A-Za-z0-9_.:+-]/.test(name) ? { name } : {};
  return planOf(() => planDomain(applyOverrides(parseCfg(text, file), overrides), file, dirname(file), defaults));
}

/** The configuration that settings alone make. */
export function planFromOverrides(overrides: readonly string[], defaults: ConfigDefaults): DomainPlan {
  return planOf(() => planDomain(applyOverrides(new Map(), overrides), "command line", ".", defaults));
}

function planOf(work: () => ConfigResult): DomainPlan {
  try {
    const result = work();
    if (!result.ok) throw usageError(result.problems.join("\n"));
    for (const warning of result.warnings) say(warning);
    return result.plan;
  } catch (error) {
    if (error instanceof CfgSyntaxError) throw usageError(error.message);
    throw error;
  }
}

/** Reads the images that a plan names. */
export async function loadImages(plan: DomainPlan): Promise<DomainConfig> {
  const kernel = await readImage("kernel", plan.kernelPath, plan.folder);
  const disks = await Promise.all((plan.settings.disks ?? []).map((disk) => withPath(disk, plan.folder)));
  const settings = { ...plan.settings, ...(disks.length === 0 ? {} : { disks }) };
  if (plan.ramdiskPath === undefined) return { ...settings, kernel };
  return { ...settings, kernel, ramdisk: await readImage("ramdisk", plan.ramdiskPath, plan.folder) };
}

/** As in xl a path is relative to the working directory; where it leads nowhere, to the configuration's folder. */
async function readImage(key: string, path: string, folder: string): Promise<Uint8Array> {
  const beside = resolve(folder, path);
  const useBeside = !isAbsolute(path) && !(await exists(path)) && (await exists(beside));
  try {
    return new Uint8Array(await readFile(useBeside ? beside : path));
  } catch (error) {
    throw fileError(key, path, error);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
