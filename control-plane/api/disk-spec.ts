/**
 * Disks as xl writes them: `target,format,vdev,access` with keywords among them, in `disk = [ ... ]` and on the command line
 * of `xl block-attach`. [XEN] docs/man/xl-disk-configuration.5
 */
import type { DiskConfig, DiskFormat } from "./types.js";
import { parseVdev } from "./vdev.js";

/** What is wrong, and where in the text. */
export interface DiskSpecFault {
  readonly offset: number;
  readonly message: string;
}

export type DiskSpecResult =
  | { readonly ok: true; readonly disk: DiskConfig }
  | { readonly ok: false; readonly fault: DiskSpecFault };

type Field = "target" | "format" | "vdev" | "access" | "devtype" | "discard" | "persistent-grants";
const POSITIONAL: readonly Field[] = ["target", "format", "vdev", "access"];
const FORMATS: readonly DiskFormat[] = ["raw", "vhd", "qcow2"];
/** Keywords of Xen's for what this host has not, with what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  backend: "disks are served by Domain0 alone",
  script: "there are no block scripts here: name the image itself",
  backendtype: "there is one block back end here: leave it out",
  "colo-host": "COLO is not supported",
};
/** What old configurations put before the path, and what it says of the format. */
const OLD_PREFIX = /^(raw|vhd|qcow2|qcow|tap2|tap|aio|ioemu|file|phy|tapdisk):/;

class Fault extends Error {
  constructor(
    readonly offset: number,
    message: string,
  ) {
    super(message);
  }
}

/** Reads one disk. */
export function parseDiskSpec(text: string): DiskSpecResult {
  try {
    return { ok: true, disk: new SpecReader(text).read() };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, fault: { offset: error.offset, message: error.message } };
    throw error;
  }
}

interface Value {
  readonly text: string;
  readonly offset: number;
}

class SpecReader {
  readonly #values = new Map<Field, Value>();
  /** The next field that a word without a keyword is. */
  #position = 0;

  constructor(private readonly text: string) {}

  read(): DiskConfig {
    for (let at = 0; at < this.text.length; ) at = this.#readWord(at);
    return this.#disk();
  }

  /** Takes the word at `from`; answers where the next one begins. */
  #readWord(from: number): number {
    const at = from + /^\s*/.exec(this.text.slice(from))![0].length;
    const rest = this.text.slice(at);
    // A target that is named is the rest of the text, commas and all.
    if (rest.startsWith("target=")) {
      this.#set("target", { text: rest.slice("target=".length), offset: at + "target=".length }, at);
      return this.text.length;
    }
    const comma = rest.indexOf(",");
    const word = (comma < 0 ? rest : rest.slice(0, comma)).trimEnd();
    const isKeyword = this.#readKeyword(word, at);
    if (!isKeyword) this.#readPositional(word, at);
    return comma < 0 ? this.text.length : at + comma + 1;
  }

  #readKeyword(word: string, at: number): boolean {
    const equals = word.indexOf("=");
    const key = equals < 0 ? word : word.slice(0, equals);
    const value: Value = { text: word.slice(equals + 1), offset: at + equals + 1 };
    const reason = REFUSED[key];
    if (reason !== undefined && equals > 0) throw new Fault(at, `${key}: ${reason}`);
    if (equals < 0) return this.#readFlag(word, at);
    if (key === "format" || key === "vdev" || key === "access" || key === "devtype") this.#set(key, value, at);
    else if (key === "mode") this.#set("access", value, at);
    else throw new Fault(at, `there is no keyword "${key}": expected format, vdev, access, devtype or target`);
    return true;
  }

  #readFlag(word: string, at: number): boolean {
    if (word === "cdrom" || word === "disk") this.#set("devtype", { text: word, offset: at }, at);
    else if (word === "discard" || word === "no-discard") this.#set("discard", { text: word, offset: at }, at);
    else if (word === "persistent-grants" || word === "no-persistent-grants") {
      this.#set("persistent-grants", { text: word, offset: at }, at);
    }
    // What is written is never taken for done before it is: there is nothing to say.
    else return word === "direct-io-safe";
    return true;
  }

  #readPositional(word: string, at: number): void {
    const field = POSITIONAL[this.#position++];
    if (field === undefined) throw new Fault(at, `"${word}" is one too many: target, format, vdev and access are set`);
    const kind = /^([^:]+):(cdrom|disk)$/.exec(word);
    if (field === "target") this.#readTarget({ text: word, offset: at });
    else if (field === "vdev" && kind !== null) {
      this.#set("vdev", { text: kind[1]!, offset: at }, at);
      this.#set("devtype", { text: kind[2]!, offset: at + kind[1]!.length + 1 }, at);
    } else this.#set(field, { text: word, offset: at }, at);
  }

  /** Old configurations name the format before the path; the next word is the vdev then. */
  #readTarget({ text, offset }: Value): void {
    let path = text;
    let isOld = false;
    for (let match = OLD_PREFIX.exec(path); match !== null; match = OLD_PREFIX.exec(path)) {
      isOld = true;
      const [prefix, kind] = match;
      if (kind === "raw" || kind === "vhd" || kind === "qcow2" || kind === "qcow") {
        this.#set("format", { text: kind, offset: offset + text.length - path.length }, offset);
      }
      path = path.slice(prefix.length);
    }
    this.#set("target", { text: path, offset: offset + text.length - path.length }, offset);
    if (isOld) this.#position++;
  }

  #set(field: Field, value: Value, at: number): void {
    const known = this.#values.get(field);
    if (known !== undefined && known.text !== "") throw new Fault(at, `${field} is given twice`);
    this.#values.set(field, value);
  }

  #disk(): DiskConfig {
    const target = this.#text("target") ?? "";
    const isCdrom = this.#devtype() === "cdrom";
    const access = this.#access();
    if (target === "" && !isCdrom)
      throw new Fault(0, "target is missing: expected the name of an image, as in disk.vhd,vhd,xvda,w");
    if (isCdrom && access === "w")
      throw new Fault(this.#values.get("access")!.offset, "a CD-ROM is only read: expected r");
    const format = this.#format();
    const discard = this.#text("discard");
    const grants = this.#text("persistent-grants");
    return {
      target,
      vdev: this.#vdev(),
      access: access ?? (isCdrom ? "r" : "w"),
      devtype: isCdrom ? "cdrom" : "disk",
      ...(format === undefined ? {} : { format }),
      ...(discard === undefined ? {} : { discard: discard === "discard" }),
      ...(grants === undefined ? {} : { persistentGrants: grants === "persistent-grants" }),
    };
  }

  #vdev(): string {
    const value = this.#values.get("vdev");
    if (value === undefined || value.text === "") {
      throw new Fault(this.text.length, "vdev is missing: expected the guest's name of the disk, as xvda");
    }
    if (parseVdev(value.text) !== null) return value.text;
    throw new Fault(value.offset, `vdev: "${value.text}" names no disk: expected as in xvda, xvdb1, sda, hdc or d0p1`);
  }

  #format(): DiskFormat | undefined {
    const value = this.#values.get("format");
    if (value === undefined || value.text === "") return undefined;
    const format = FORMATS.find((known) => known === value.text);
    if (format !== undefined) return format;
    const next = value.text === "qcow" || value.text === "qed" ? "; convert it to qcow2 or VHD first" : "";
    throw new Fault(value.offset, `format: expected raw, vhd or qcow2, found "${value.text}"${next}`);
  }

  #access(): "r" | "w" | undefined {
    const value = this.#values.get("access");
    if (value === undefined || value.text === "") return undefined;
    if (value.text === "r" || value.text === "ro") return "r";
    if (value.text === "w" || value.text === "rw") return "w";
    throw new Fault(value.offset, `access: expected r or w, found "${value.text}"`);
  }

  #devtype(): string {
    const value = this.#values.get("devtype");
    if (value === undefined || value.text === "") return "disk";
    if (value.text === "disk" || value.text === "cdrom") return value.text;
    throw new Fault(value.offset, `devtype: expected disk or cdrom, found "${value.text}"`);
  }

  #text(field: Field): string | undefined {
    return this.#values.get(field)?.text;
  }
}
