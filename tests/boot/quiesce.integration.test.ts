/** Snapshots of disks whose guests are at rest meanwhile: unmodified Linux, with file systems that are written to. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { makeDisk } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { underLoad } from "./load.js";
import { MACHINES } from "./machines.js";

const MIB = 2 ** 20;
/** What a snapshot's clone has to repeat: with a guest that writes, most of the time something. */
const RECOVERY = "needs_recovery";

class Images {
  readonly folder = mkdtempSync(join(tmpdir(), "xenolith-quiesce-"));
  #clones = 0;

  at(name: string): string {
    return join(this.folder, name);
  }

  /** The features of the file system on a clone of a snapshot, and what e2fsck says of it. */
  async look(host: HostApi, snapshot: string): Promise<{ features: string; fsck: number | null }> {
    const clone = `clone${++this.#clones}`;
    await host.image("clone", snapshot, `${clone}.vhd`);
    await host.image("convert", `${clone}.vhd`, `${clone}.img`, { kind: "raw" });
    const superblock = execFileSync("dumpe2fs", ["-h", this.at(`${clone}.img`)], { stdio: "pipe" }).toString();
    const { status } = spawnSync("e2fsck", ["-fn", this.at(`${clone}.img`)]);
    return { features: /^Filesystem features:(.*)$/m.exec(superblock)![1]!, fsck: status };
  }
}

describe.each(MACHINES)("a guest at rest in $name", ({ machine }) => {
  const images = new Images();
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    execFileSync("mke2fs", ["-q", "-t", "ext4", images.at("data.img"), "64M"]);
    host = await connectNode({ ...machine, imageFolders: [images.folder] });
    await host.image("convert", "data.img", "data.vhd", { kind: "dynamic" });
    debian = await Debian.boot(host, { disks: [{ target: "data.vhd", vdev: "xvda" }] });
    await debian.output("mount -t ext4 /dev/xvda /mnt");
  }, BOOT_MS);

  afterAll(async () => {
    await host?.close();
    rmSync(images.folder, { recursive: true });
  });

  const quiesced = (name: string, seconds = 60) =>
    host.image("snapshot", "data.vhd", name, { quiesce: true, quiesceSeconds: seconds });
  const key = (name: string) => host.xenstoreRead(`/local/domain/${debian.domid}/${name}`);
  const ask = (request: string) => host.xenstoreWrite(`/local/domain/${debian.domid}/control/freeze`, request);

  it("has nothing to repeat in its snapshots, and goes on", { timeout: 3 * BOOT_MS }, async () => {
    await underLoad(debian, "/mnt", async () => {
      await host.image("snapshot", "data.vhd", "crashed.vhd");
      for (const name of ["one.vhd", "two.vhd"]) expect(await quiesced(name)).toEqual({ quiesced: true, reason: null });
    });
    expect((await images.look(host, "crashed.vhd")).features).toContain(RECOVERY);
    for (const name of ["one.vhd", "two.vhd"]) {
      const { features, fsck } = await images.look(host, name);
      expect([features.includes(RECOVERY), fsck]).toEqual([false, 0]);
    }
  });

  it("goes on by itself when nobody says so, and tells", { timeout: BOOT_MS }, async () => {
    await ask("freeze 4711 1");
    await expect.poll(() => key("data/freeze"), { timeout: BOOT_MS }).toBe("frozen 4711");
    await debian.output("echo more >/mnt/more && sync /mnt/more");
    await ask("thaw 4711");
    await expect.poll(() => key("data/freeze"), { timeout: BOOT_MS }).toBe("late 4711");
  });

  it("says why it cannot", { timeout: BOOT_MS }, async () => {
    await debian.output("fsfreeze --freeze /mnt");
    await expect(quiesced("no.vhd")).rejects.toThrow("the guest says: /mnt: Device or resource busy; or do without");
    await debian.output("fsfreeze --unfreeze /mnt && touch /mnt/again");
    expect(await quiesced("yes.vhd")).toMatchObject({ quiesced: true });
  });

  it("is not waited for when it does not answer, or ends", { timeout: 2 * BOOT_MS }, async () => {
    await debian.output("kill -STOP $(pidof freeze-agent)");
    await expect(quiesced("no.vhd", 1)).rejects.toThrow("has not frozen its file systems within 1 s");
    await debian.output("kill -CONT $(pidof freeze-agent)");
    expect(await quiesced("then.vhd")).toMatchObject({ quiesced: true });
    await debian.output("kill -STOP $(pidof freeze-agent)");
    const refused = expect(quiesced("no.vhd")).rejects.toThrow("the guest ended before its file systems were frozen");
    await host.destroy(debian.domid);
    await refused;
    expect((await host.image("tree")).map(({ name }) => name)).not.toContain("no.vhd");
  });
});

describe("a Debian on its own disk at rest", () => {
  const images = new Images();
  let host: HostApi;

  afterAll(async () => {
    await host?.close();
    rmSync(images.folder, { recursive: true });
  });

  it("has nothing to repeat in its root file system", { timeout: 4 * BOOT_MS }, async () => {
    unwrap(await makeDisk(images.at("root.vhd"), { sizeBytes: 512 * MIB }));
    host = await connectNode({ pcpus: 2, imageFolders: [images.folder] });
    const root = { extra: "root=/dev/xvda", prompt: "debian:~# " };
    const debian = await Debian.boot(host, { ...root, disks: [{ target: "root.vhd", vdev: "xvda" }] });
    await underLoad(debian, "/var", async () => {
      await host.image("snapshot", "root.vhd", "rest.vhd", { quiesce: true, quiesceSeconds: 60 });
    });
    const { features, fsck } = await images.look(host, "rest.vhd");
    expect([features.includes(RECOVERY), fsck]).toEqual([false, 0]);
  });
});
