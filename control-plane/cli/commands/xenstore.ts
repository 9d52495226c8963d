/** The xenstore verbs: reading, writing and watching the store, with the formats of Xen's own tools. */
import { CliError, Exit, usageError } from "../errors.js";
import { print } from "../output.js";
import type { RemoteHost } from "../socket/index.js";
import { withHost } from "./with-host.js";

export function xenstoreLs([path = "/"]: readonly string[], options: { full?: boolean }): Promise<number> {
  return withHost(async (host) => {
    if ((await host.xenstoreRead(path)) === null) throw absent(path);
    await printTree(host, path, 0, options.full ?? false);
    return 0;
  });
}

async function printTree(host: RemoteHost, path: string, depth: number, full: boolean): Promise<void> {
  for (const name of await host.xenstoreList(path)) {
    const child = path === "/" ? `/${name}` : `${path}/${name}`;
    const value = await host.xenstoreRead(child);
    // The node may have gone since it was listed.
    if (value === null) continue;
    print(`${full ? child : " ".repeat(depth) + name} = "${escapeValue(value)}"\n`);
    await printTree(host, child, depth + 1, full);
  }
}

/** What would disturb a terminal or the quotes, as octal numbers and backslashes. */
function escapeValue(value: string): string {
  const octal = (char: string) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`;
  return value.replace(/[\\"]/g, "\\$&").replace(/[\0-\x1f\x7f]/g, octal);
}

export function xenstoreList([path]: readonly string[]): Promise<number> {
  return withHost(async (host) => {
    if ((await host.xenstoreRead(path!)) === null) throw absent(path!);
    for (const name of await host.xenstoreList(path!)) print(`${name}\n`);
    return 0;
  });
}

export function xenstoreRead(paths: readonly string[]): Promise<number> {
  return withHost(async (host) => {
    for (const path of paths) {
      const value = await host.xenstoreRead(path);
      if (value === null) throw absent(path);
      print(`${value}\n`);
    }
    return 0;
  });
}

export function xenstoreWrite(pathsAndValues: readonly string[]): Promise<number> {
  if (pathsAndValues.length % 2 !== 0)
    throw usageError("expected PATH VALUE [PATH VALUE ...]: the last path has no value");
  return withHost(async (host) => {
    for (let index = 0; index < pathsAndValues.length; index += 2) {
      await host.xenstoreWrite(pathsAndValues[index]!, pathsAndValues[index + 1]!);
    }
    return 0;
  });
}

export function xenstoreRm(paths: readonly string[]): Promise<number> {
  return withHost(async (host) => {
    for (const path of paths) await host.xenstoreRemove(path);
    return 0;
  });
}

export function xenstoreWatch(paths: readonly string[], options: { count?: number }): Promise<number> {
  return withHost(async (host) => {
    let left = options.count ?? Number.POSITIVE_INFINITY;
    let finish = (): void => {};
    const enough = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const changed = (path: string) => {
      if (left <= 0) return;
      print(`${path}\n`);
      if (--left === 0) finish();
    };
    for (const path of paths) await host.xenstoreWatch(path, changed);
    await Promise.race([enough, host.gone]);
    return 0;
  });
}

function absent(path: string): CliError {
  return new CliError(Exit.USAGE, `xenstore has no "${path}": "xl xenstore-ls" shows what it has`);
}
