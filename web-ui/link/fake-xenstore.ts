/** A xenstore of plain strings for the simulated host: enough of paths, lists and watches to drive the page. */
export class FakeXenstore {
  private readonly values = new Map<string, string>();
  private readonly watches = new Set<{ path: string; onChange: (path: string) => void }>();

  read(path: string): string | null {
    return this.values.get(path) ?? (this.list(path).length > 0 ? "" : null);
  }

  list(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    const names = new Set<string>();
    for (const key of this.values.keys()) {
      if (key.startsWith(prefix)) names.add(key.slice(prefix.length).split("/")[0]!);
    }
    return [...names].sort();
  }

  write(path: string, value: string): void {
    this.values.set(path, value);
    this.fire(path);
  }

  remove(path: string): void {
    for (const key of [...this.values.keys()]) {
      if (key === path || key.startsWith(`${path}/`)) this.values.delete(key);
    }
    this.fire(path);
  }

  watch(path: string, onChange: (path: string) => void): () => void {
    const entry = { path, onChange };
    this.watches.add(entry);
    queueMicrotask(() => onChange(path));
    return () => this.watches.delete(entry);
  }

  private fire(path: string): void {
    for (const watch of this.watches) {
      if (watch.path === "/" || path === watch.path || path.startsWith(`${watch.path}/`)) watch.onChange(path);
    }
  }
}
