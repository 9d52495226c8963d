/** Programs of others that read images, for the files of one folder. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Reads a whole image, or a part of it, through a chain whose parents are found by their last names. */
const LIBVHDI = `
import os, pyvhdi, sys
kept = []
def find(name):
    return next(os.path.join(at, name) for at, _, files in os.walk(sys.argv[1]) if name in files)
def load(path):
    f = pyvhdi.file()
    kept.append(f)
    f.open(path)
    parent = f.get_parent_filename()
    if parent:
        f.set_parent(load(find(parent.replace("\\\\", "/").split("/")[-1])))
    return f
f = load(os.path.join(sys.argv[1], sys.argv[2]))
size = f.get_media_size()
assert size == int(sys.argv[3]), size
at = int(sys.argv[4])
sys.stdout.buffer.write(f.read_buffer_at_offset(size - at, at))
`;

export class OtherPrograms {
  readonly folder = mkdtempSync(join(tmpdir(), "xenolith-interop-"));

  run(program: string, ...args: string[]): string {
    return execFileSync(program, args, { cwd: this.folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What 7-Zip takes out of an image. */
  sevenZip(name: string): Uint8Array {
    return this.#bytes("7z", "x", "-so", name);
  }

  /** What libvhdi reads of an image of that size from `at` on. */
  libvhdi(name: string, bytes: number, at = 0): Uint8Array {
    // Debian's, whose package the bindings are for.
    return this.#bytes("/usr/bin/python3", "-c", LIBVHDI, this.folder, name, String(bytes), String(at));
  }

  /** Whether an image without a parent holds this to qemu-img. */
  isToQemu(name: string, expected: Uint8Array): boolean {
    writeFileSync(join(this.folder, "expected.raw"), expected);
    return this.run("qemu-img", "compare", "-f", "vpc", "-F", "raw", name, "expected.raw").includes("identical");
  }

  /** The size of the disk to qemu-img, in bytes. */
  sizeToQemu(name: string): number {
    return JSON.parse(this.run("qemu-img", "info", "-f", "vpc", "--output=json", name))["virtual-size"];
  }

  #bytes(program: string, ...args: string[]): Uint8Array {
    return execFileSync(program, args, { cwd: this.folder, maxBuffer: 2 ** 30, stdio: ["ignore", "pipe", "pipe"] });
  }
}
