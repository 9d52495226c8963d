/** A folder in memory whose calls a test may delay or make fail. */
import { MemoryFolder } from "../folders/memory.js";
import type { FileInfo, ImageFile, OpenMode } from "../image-file.js";

export type HookedCall = "read" | "sync" | "rename" | "remove" | "list";

export class HookedFolder extends MemoryFolder {
  /**
   * Called before such a call for the file of that name, and before a list, of no name, is answered; what it throws is how
   * that ends. Only a read is not waited for.
   */
  before: (what: HookedCall, name: string) => void | Promise<void> = () => {};

  override async open(name: string, mode: OpenMode): Promise<ImageFile> {
    const file = await super.open(name, mode);
    const [sync, read] = [file.sync.bind(file), file.read.bind(file)];
    file.sync = async () => {
      await this.before("sync", file.name);
      await sync();
    };
    file.read = (at, into) => {
      this.before("read", file.name);
      return read(at, into);
    };
    return file;
  }

  override async rename(from: string, to: string): Promise<void> {
    await this.before("rename", from);
    await super.rename(from, to);
  }

  override async remove(name: string): Promise<void> {
    await this.before("remove", name);
    await super.remove(name);
  }

  override async list(): Promise<FileInfo[]> {
    const files = await super.list();
    await this.before("list", "");
    return files;
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
