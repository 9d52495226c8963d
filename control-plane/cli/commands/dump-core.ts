/** `xl dump-core`: the file appears whole or not at all. */
import { open, rename, rm } from "node:fs/promises";
import { fileError } from "../errors.js";
import { withDomain } from "./with-host.js";

export function dumpCore([domain, file]: readonly string[]): Promise<number> {
  return withDomain(domain!, async (host, domid) => {
    const partial = `${file}.part`;
    const output = await open(partial, "w", 0o600).catch((error: unknown) => {
      throw fileError("core dump", file!, error);
    });
    try {
      await host.dumpCore(domid, async (chunk) => {
        await output.writeFile(chunk);
      });
      await output.close();
      await rename(partial, file!);
    } catch (error) {
      await output.close().catch(() => undefined);
      await rm(partial, { force: true });
      throw error;
    }
  });
}
