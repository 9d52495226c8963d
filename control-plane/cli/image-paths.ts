/** Names of images on the command line and in configurations, as the host understands them, whose folder is another one. */
import { stat } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import type { DiskConfig } from "../api/index.js";

const isAddress = (name: string): boolean => /^https?:\/\//i.test(name);

/** As with kernels: relative to the working directory; where it leads nowhere, to the configuration's folder. */
export async function imagePath(name: string, folder?: string): Promise<string> {
  if (name === "" || isAddress(name) || isAbsolute(name)) return name;
  const here = resolve(name);
  if (folder === undefined || (await exists(here))) return here;
  const beside = resolve(folder, name);
  return (await exists(beside)) ? beside : here;
}

export async function withPath(disk: DiskConfig, folder?: string): Promise<DiskConfig> {
  return { ...disk, target: await imagePath(disk.target, folder) };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
