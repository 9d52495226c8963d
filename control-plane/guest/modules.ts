// Kernel modules: finds the ones that are asked for, with everything they depend on.
//
// Debian's packages carry no modules.dep (depmod makes it at installation), so the dependencies are read from each
// module's own .modinfo section, and the files that modprobe wants are written here.
import { type ArchiveEntry, decodeUtf8, encodeUtf8 } from "../formats/index.js";
import { err, ok } from "../util/index.js";
import { readElfSection } from "./elf.js";
import type { GuestResult } from "./errors.js";

const MODULE_FILE = /\/([^/]+)\.ko$/;

/** One module file with the facts of its .modinfo. */
export interface KernelModule {
  readonly name: string;
  readonly file: ArchiveEntry;
  readonly depends: readonly string[];
  readonly aliases: readonly string[];
}

/** The modules of one kernel package, by name. */
export interface ModuleTree {
  readonly release: string;
  /** lib/modules/RELEASE/ */
  readonly folder: string;
  readonly files: ReadonlyMap<string, ArchiveEntry>;
  readonly builtIn: ReadonlySet<string>;
}

/** Module names treat "-" and "_" alike; this is the form with "_". */
export function canonicalModuleName(name: string): string {
  return name.replaceAll("-", "_");
}

function moduleNameOf(path: string): string | undefined {
  const base = MODULE_FILE.exec(`/${path}`)?.[1];
  return base === undefined ? undefined : canonicalModuleName(base);
}

/** Finds the modules among a kernel package's files. */
export function readModuleTree(entries: readonly ArchiveEntry[]): GuestResult<ModuleTree> {
  const list = entries.find((entry) => /^lib\/modules\/[^/]+\/modules\.builtin$/.test(entry.path));
  if (!list) return err("corrupt", "the kernel package has no modules.builtin");
  const folder = list.path.slice(0, -"modules.builtin".length);
  const files = new Map<string, ArchiveEntry>();
  for (const entry of entries) {
    const name = entry.path.startsWith(folder) ? moduleNameOf(entry.path) : undefined;
    if (name !== undefined) files.set(name, entry);
  }
  const builtIn = new Set(
    decodeUtf8(list.data)
      .split("\n")
      .flatMap((line) => moduleNameOf(line.trim()) ?? []),
  );
  return ok({ release: folder.split("/")[2]!, folder, files, builtIn });
}

/**
 * The modules named by `wanted` and all they depend on, each after its dependencies. What the kernel has built in needs
 * no file; a name that is neither is an error unless it is `optional`.
 */
export function resolveModules(
  tree: ModuleTree,
  wanted: readonly string[],
  optional: readonly string[] = [],
): GuestResult<KernelModule[]> {
  const resolved = new Map<string, KernelModule>();
  const visiting = new Set<string>();
  const visit = (rawName: string, isOptional: boolean): GuestResult<void> => {
    const name = canonicalModuleName(rawName);
    if (resolved.has(name) || visiting.has(name) || tree.builtIn.has(name)) return ok(undefined);
    const file = tree.files.get(name);
    if (!file) {
      return isOptional ? ok(undefined) : err("module", `the kernel ${tree.release} has no module "${rawName}"`);
    }
    const info = readModuleInfo(name, file);
    if (!info.ok) return info;
    visiting.add(name);
    for (const dependency of info.value.depends) {
      const done = visit(dependency, false);
      if (!done.ok) return done;
    }
    resolved.set(name, info.value);
    return ok(undefined);
  };
  for (const name of optional) {
    const done = visit(name, true);
    if (!done.ok) return done;
  }
  for (const name of wanted) {
    const done = visit(name, false);
    if (!done.ok) return done;
  }
  return ok([...resolved.values()]);
}

function readModuleInfo(name: string, file: ArchiveEntry): GuestResult<KernelModule> {
  const section = readElfSection(file.data, ".modinfo");
  if (!section) return err("corrupt", `the module ${name} has no .modinfo section`);
  const fields = decodeUtf8(section)
    .split("\0")
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const);
  const valuesOf = (key: string) => fields.flatMap(([k, value]) => (k === key && value !== "" ? [value] : []));
  const depends = valuesOf("depends").flatMap((list) => list.split(","));
  // "softdep=pre: a b post: c": what comes before is worth having where it exists; it is not needed to load.
  return ok({ name, file, depends: depends.map(canonicalModuleName), aliases: valuesOf("alias") });
}

/** All that a module needs, what is needed first before what needs it. */
function loadOrder(module: KernelModule, byName: ReadonlyMap<string, KernelModule>): KernelModule[] {
  const seen = new Set([module]);
  const order: KernelModule[] = [];
  const visit = ({ depends }: KernelModule): void => {
    for (const name of depends) {
      const needed = byName.get(name);
      if (needed === undefined || seen.has(needed)) continue;
      seen.add(needed);
      visit(needed);
      order.push(needed);
    }
  };
  visit(module);
  return order;
}

/** The modules.dep and modules.alias that modprobe needs for exactly these modules. */
export function moduleIndexFiles(tree: ModuleTree, modules: readonly KernelModule[]): ArchiveEntry[] {
  const pathOf = new Map(modules.map((module) => [module.name, module.file.path.slice(tree.folder.length)]));
  const byName = new Map(modules.map((module) => [module.name, module]));
  const dep = modules.map((module) => {
    const needed = loadOrder(module, byName).map(({ name }) => pathOf.get(name)!);
    // As depmod writes it, and modprobe loads it: from the end.
    return `${pathOf.get(module.name)}: ${needed.reverse().join(" ")}`.trimEnd();
  });
  const alias = modules.flatMap((module) => module.aliases.map((pattern) => `alias ${pattern} ${module.name}`));
  const file = (name: string, lines: string[]): ArchiveEntry => ({
    path: tree.folder + name,
    mode: 0o100644,
    data: encodeUtf8(lines.map((line) => `${line}\n`).join("")),
  });
  return [file("modules.dep", dep), file("modules.alias", alias)];
}
