/**
 * The page's test build behind the playground's own server, with a made-up guest of realistic size on the shelf. The
 * machine behind the page is the simulated one (?fake=1), so that these tests are about the page alone.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import type { GuestManifest } from "../../control-plane/guest/index.js";
import { createPlaygroundServer, GuestShelf } from "../../web-ui/server/index.js";
import { startLoopback } from "./loopback.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const WEB_ROOT = join(ROOT, "dist", "web-e2e");
const KERNEL_BYTES = 14_026_295;
const INITRAMFS_BYTES = 2_400_000;

export interface FakeSite {
  readonly url: string;
  close(): Promise<void>;
}

export async function startFakeSite(): Promise<FakeSite> {
  await build({ configFile: join(ROOT, "vite.config.ts"), mode: "e2e", logLevel: "warn" });
  if (!existsSync(join(WEB_ROOT, "index.html"))) throw new Error("the page's test build is missing");
  const folder = await mkdtemp(join(tmpdir(), "xenolith-e2e-"));
  const kernel = join(folder, "vmlinuz-6.1.0-51-cloud-amd64");
  const initramfs = join(folder, "initramfs.cpio");
  await writeFile(kernel, Buffer.alloc(KERNEL_BYTES, 0x5a));
  await writeFile(initramfs, Buffer.alloc(INITRAMFS_BYTES, 0x5a));
  const files = { kernel, initramfs, cmdline: "console=hvc0" };
  const shelf = new GuestShelf({
    // The cloud kernel is there; the full one is not, so that the embedded guest stands in for it.
    prepare: async (flavour) =>
      flavour === "cloud"
        ? { ok: true, value: { name: "debian-cloud", ...files, manifest: { release: "6.1.0" } as GuestManifest } }
        : { ok: false, error: { code: "offline", message: "no package source can be reached" } },
    embedded: async () => ({ name: "embedded", title: "Embedded", ...files }),
    onProgress: () => {},
    onSettled: () => {},
  });
  const { url, close } = await startLoopback(createPlaygroundServer(WEB_ROOT, shelf));
  return {
    url,
    close: async () => {
      close();
      await rm(folder, { recursive: true });
    },
  };
}
