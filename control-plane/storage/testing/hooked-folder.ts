/** A folder in memory whose syncs and renames a test may delay or make fail. */
import { MemoryFolder } from "../folders/memory.js";
import type { ImageFile, OpenMode } from "../image-file.js";

export class HookedFolder extends MemoryFolder {
  /** Called before a sync or rename of the file of that name; what it throws is how that ends. */
  before: (what: "sync" | "rename", name: string) => void | Promise<void> = () => {};

  override async open(name: string, mode: OpenMode): Promise<ImageFile> {
    const file = await super.open(name, mode);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      await this.before("sync", file.name);
      await sync();
    };
    return file;
  }

  override async rename(from: string, to: string): Promise<void> {
    await this.before("rename", from);
    await super.rename(from, to);
  }

  /** What is found after the process has ended. */
  restarted(): Promise<MemoryFolder> {
    return this.list().then((files) => {
      const folder = new MemoryFolder();
      for (const { name } of files) folder.put(name, this.contents(name).copy());
      return folder;
    });
  }
}
