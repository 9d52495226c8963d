import { describe, expect, it } from "vitest";
import { memoryImages } from "./host-images.js";

const MIB = 2 ** 20;
const go = () => true;

/** A raw disk of 12 MiB whose second MiB is not zeros. */
function source(): Blob {
  const bytes = new Uint8Array(12 * MIB);
  bytes.fill(7, MIB, 2 * MIB);
  return new Blob([bytes]);
}

describe("images of a host", () => {
  it("are imported with progress, and exported in another format", async () => {
    const images = memoryImages();
    const seen: number[] = [];
    await images.imageJob("import", ["a.raw", source()], ({ doneBytes, totalBytes }) => {
      seen.push(doneBytes / totalBytes);
      return true;
    });
    expect(seen.length).toBeGreaterThan(0);
    expect((await images.image("info", "a.raw")).sizeBytes).toBe(12 * MIB);
    const file = await images.imageJob("export", ["a.raw", { kind: "dynamic" }], go);
    expect(await file.slice(0, 8).text()).toBe("conectix");
    expect(file.size).toBeLessThan(3 * MIB);
    expect((await images.image("export", "a.raw")).size).toBe(12 * MIB);
    expect((await images.image("tree")).map(({ name }) => name)).toEqual(["a.raw"]);
    await images.image("exported", "a.raw");
    await images.image("exported", "a.raw");
  });

  it("leave nothing of an import that was cancelled", async () => {
    const images = memoryImages();
    const cancelled = images.imageJob("import", ["a.raw", source()], () => false);
    await expect(cancelled).rejects.toThrow("the import was cancelled");
    expect(await images.image("tree")).toEqual([]);
  });

  it("refuse what they have not", async () => {
    const images = memoryImages();
    await expect(images.image("toString" as "tree")).rejects.toMatchObject({ code: "unsupported" });
    await expect(images.imageJob("constructor" as "import", [] as never, go)).rejects.toMatchObject({
      code: "unsupported",
    });
  });
});
