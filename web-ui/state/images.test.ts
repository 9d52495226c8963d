import { describe, expect, it } from "vitest";
import { memoryImages } from "../../control-plane/api/host-images.js";
import { type HostApi, HostError, type ImageNode } from "../../control-plane/api/index.js";
import { PageError } from "./errors.js";
import { ImageJobs } from "./image-jobs.js";
import {
  ancestorsOf,
  dependentsOf,
  derivedName,
  freeImageName,
  imageNameOf,
  nameProblem,
  parseSize,
  suggestVdev,
} from "./image-names.js";
import { ImageShelf, imageFailure, type StorageRoom } from "./image-shelf.js";

const MIB = 2 ** 20;
const NONE = new Set<string>();

describe("names", () => {
  it("of files become names of images", () => {
    expect(imageNameOf("C:\\disks\\a.vhd")).toBe("a.vhd");
    expect(imageNameOf("..hidden.raw")).toBe("hidden.raw");
    expect(imageNameOf("half~")).toBe("half");
    expect(imageNameOf("~")).toBe("image.raw");
    expect(nameProblem("a/b.vhd", NONE)).not.toBeNull();
    expect(nameProblem("a.vhd", new Set(["a.vhd"]))).toContain("already");
  });

  it("are free, and tell where they come from once", () => {
    expect(freeImageName("a.vhd", new Set(["a.vhd", "a-2.vhd"]))).toBe("a-3.vhd");
    expect(derivedName("a.raw", "snapshot", NONE)).toBe("a-snapshot-1.vhd");
    expect(derivedName("a.qcow2", "copy", new Set(["a-copy-1.vhd"]))).toBe("a-copy-2.vhd");
    expect(derivedName("a-copy-2.vhd", "snapshot", NONE)).toBe("a-snapshot-1.vhd");
    expect(derivedName("a-snapshot-1.vhd", "clone", new Set(["a-clone-1.vhd"]))).toBe("a-clone-2.vhd");
  });

  it("of a guest's disks skip those that mean the same", () => {
    expect(suggestVdev([])).toBe("xvda");
    expect(suggestVdev(["d0", "xvdb"])).toBe("xvdc");
  });

  it("sizes are with a unit, in whole sectors", () => {
    expect([parseSize("10 GiB"), parseSize("1.5g"), parseSize("512M")]).toEqual([10240 * MIB, 1536 * MIB, 512 * MIB]);
    expect([parseSize("0.3k"), parseSize("10"), parseSize("0 MiB"), parseSize("-1G")]).toEqual([512, null, null, null]);
  });

  it("in a tree: what stands on an image, and what it stands on", () => {
    const node = (name: string, ...children: ImageNode[]): ImageNode => ({ name, info: null, problem: null, children });
    const trees = [node("x"), node("a", node("b", node("c")), node("d"))];
    expect(dependentsOf(trees, "a")).toEqual(["b", "c", "d"]);
    expect(ancestorsOf(trees, "c")).toEqual(["b", "a"]);
    expect(ancestorsOf(trees, "x")).toEqual([]);
  });
});

describe("jobs", () => {
  it("tell bytes and their rate over the last seconds, and are gone when done", async () => {
    let now = 0;
    const jobs = new ImageJobs(() => now);
    const done = await jobs.run("Importing", async (job) => {
      job.show(0, 100 * MIB);
      now = 2000;
      job.show(10 * MIB, 100 * MIB);
      expect(job.progress.get()).toEqual({ doneBytes: 10 * MIB, totalBytes: 100 * MIB, bytesPerSecond: 5 * MIB });
      expect(jobs.running.get()).toEqual([job]);
    });
    expect([done, jobs.running.get()]).toEqual([true, []]);
  });

  it("that are cancelled are no failure, others are", async () => {
    const jobs = new ImageJobs(() => 0);
    const cancelled = jobs.run("Importing", async (job) => {
      job.cancel();
      expect(job.tell({ doneBytes: 1, totalBytes: 2 })).toBe(false);
      throw new Error("cancelled");
    });
    expect(await cancelled).toBe(false);
    await expect(jobs.run("Importing", () => Promise.reject(new Error("full")))).rejects.toThrow("full");
  });
});

describe("the shelf", () => {
  const images = memoryImages();
  const disk = { vdev: "xvda", readOnly: false, chain: ["top.vhd", "base.vhd"] };
  const host = {
    image: images.image.bind(images),
    list: async () => [{ domid: 3, name: "guest" }],
    disks: async () => [disk],
  } as unknown as HostApi;

  it("knows trees, who uses which image how, and the room; the same look changes nothing", async () => {
    let asked = 0;
    const storage: StorageRoom = {
      estimate: async () => ({ usage: 10, quota: 30 }),
      persisted: async () => false,
      persist: async () => ++asked > 0,
    };
    await images.image("create", "base.vhd", { kind: "dynamic", bytes: MIB });
    await images.image("clone", "base.vhd", "top.vhd");
    const shelf = new ImageShelf({ host, storage, available: true });
    await shelf.look();
    expect([...shelf.names]).toEqual(["base.vhd", "top.vhd"]);
    expect(shelf.usesOf("top.vhd")).toEqual([{ domid: 3, domain: "guest", vdev: "xvda", writes: true }]);
    expect(shelf.usesOf("base.vhd")[0]?.writes).toBe(false);
    const before = shelf.snapshot.get();
    await shelf.look();
    expect(shelf.snapshot.get()).toBe(before);
    expect(() => shelf.requireRoom(20)).not.toThrow();
    expect(() => shelf.requireRoom(21)).toThrow(PageError);
    await shelf.persist();
    await shelf.persist();
    expect(asked).toBe(1);
  });

  it("is empty where the browser keeps no files", async () => {
    const shelf = new ImageShelf({ host, storage: null, available: false });
    await shelf.look();
    expect(shelf.trees).toEqual([]);
  });

  it("explains failures with the next step that Domain0 gives, or one of its own", () => {
    const told = imageFailure(
      "The clone",
      new HostError("bad-state", "clone: a.vhd: open for writing; twice", "close it there first"),
    );
    expect([told.title, told.message, told.nextStep]).toEqual([
      "The clone failed",
      "clone: a.vhd: open for writing; twice",
      "Close it there first.",
    ]);
    const own = imageFailure("The clone", Object.assign(new Error("the name is taken"), { code: "name-taken" }));
    expect(own.nextStep).toBe("Choose another name.");
  });
});
