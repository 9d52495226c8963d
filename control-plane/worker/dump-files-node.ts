/** Automatic core dumps as files of one directory. */
import { open, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { CoreSink } from "../domain/index.js";

/** Writes dumps into `directory`; a file is there whole or not at all. */
export function dumpFiles(directory: string, platform: NodeJS.Platform = process.platform): CoreSink {
  return async (name, chunks) => {
    const path = join(directory, fileName(name, platform));
    const file = await open(path, "w", 0o600);
    try {
      for (const chunk of chunks) await file.writeFile(chunk);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  };
}

/** A domain's name may have colons; on Windows a name with one is a hidden stream of another file. */
function fileName(name: string, platform: NodeJS.Platform): string {
  return basename(platform === "win32" ? name.replaceAll(":", "-") : name);
}
