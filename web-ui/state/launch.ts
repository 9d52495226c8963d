/**
 * From "boot this" to a running domain: find the images, download them, hand them to Domain0. One Launch is one
 * attempt; its progress is a store the boot view shows. Names are made unique here because Domain0 refuses a second
 * domain of the same name.
 */
import type { DiskConfig, DomainConfig, DomId, HostApi } from "../../control-plane/api/index.js";
import { type BootOptions, OWN_KERNEL_CMDLINE } from "./boot-options.js";
import { download } from "./download.js";
import { imageFailure } from "./image-shelf.js";
import { awaitGuest, type Fetch } from "./manifest.js";
import { NAT } from "./network-names.js";
import { Store } from "./store.js";

/** A file a person chose or dropped. */
export interface NamedBlob {
  readonly name: string;
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

export type GuestSource =
  | { readonly kind: "guest" }
  | { readonly kind: "urls"; readonly kernel: string; readonly initrd: string | null }
  | { readonly kind: "files"; readonly kernel: NamedBlob; readonly initrd: NamedBlob | null };

/** A disk that a new domain gets. */
export interface LaunchDisk {
  /** An image of this browser, or the address of one. */
  readonly target: string;
  readonly vdev: string;
  readonly readOnly: boolean;
  readonly cdrom: boolean;
  /** The local image that takes what is written to one at an address; it is made when it is not there. */
  readonly layer: string | null;
}

export interface LaunchRequest {
  readonly source: GuestSource;
  readonly options: BootOptions;
  /** A 16550, the debug console and the exit port, for kernels that are not PVH Linux. */
  readonly pcDevices: boolean;
  readonly disks?: readonly LaunchDisk[];
}

export interface LaunchProgress {
  readonly phase: "preparing" | "downloading" | "building" | "running";
  /** What is being done now, for people. */
  readonly text: string;
  readonly doneBytes: number;
  readonly totalBytes: number | null;
}

export interface LaunchResult {
  readonly domid: DomId;
  readonly name: string;
  readonly notice: string | null;
}

export interface LaunchEnvironment {
  readonly host: HostApi;
  readonly fetcher: Fetch;
  /** The page's address, against which guest/ is found. */
  readonly base: string;
}

interface Images {
  readonly name: string;
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array | null;
  readonly cmdline: string;
  readonly notice: string | null;
}

const IDLE: LaunchProgress = { phase: "preparing", text: "Looking for the guest", doneBytes: 0, totalBytes: null };

export class Launch {
  readonly progress = new Store<LaunchProgress>(IDLE);
  private readonly abort = new AbortController();

  constructor(
    private readonly environment: LaunchEnvironment,
    private readonly request: LaunchRequest,
  ) {}

  cancel(): void {
    this.abort.abort();
  }

  get cancelled(): boolean {
    return this.abort.signal.aborted;
  }

  async run(): Promise<LaunchResult> {
    const images = await this.images();
    this.abort.signal.throwIfAborted();
    const { host } = this.environment;
    for (const disk of this.request.disks ?? []) await this.prepareLayer(disk);
    this.abort.signal.throwIfAborted();
    this.step("building", "Building the domain");
    const name = uniqueName(images.name, new Set((await host.list()).map((domain) => domain.name)));
    const domid = await host.create(this.config(name, images));
    this.step("running", "Started");
    return { domid, name, notice: images.notice };
  }

  private config(name: string, images: Images): DomainConfig {
    const { options, pcDevices } = this.request;
    return {
      name,
      kernel: images.kernel,
      ...(images.initrd ? { ramdisk: images.initrd } : {}),
      cmdline: options.cmdline ?? images.cmdline,
      memoryMiB: options.memoryMiB,
      vcpus: options.vcpus,
      // Kept for its console and a core dump until the person destroys it.
      onCrash: "preserve",
      onWatchdog: "preserve",
      disks: (this.request.disks ?? []).map(diskConfig),
      vifs: options.network === null ? [] : [options.network === NAT ? {} : { bridge: options.network }],
      ...(pcDevices ? { platform: { serial: true, debugcon: true, exitPort: true } } : {}),
    };
  }

  /** A layer of before is used again when it stands on the same address. */
  private async prepareLayer({ target, layer }: LaunchDisk): Promise<void> {
    if (layer === null) return;
    this.step("preparing", `Opening ${target}`);
    const { host } = this.environment;
    try {
      await host.image("clone", target, layer);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "name-taken") throw imageFailure(`Opening ${target}`, error);
      if ((await host.image("info", layer)).parent?.told !== target) throw error;
    }
  }

  private images(): Promise<Images> {
    const { source } = this.request;
    if (source.kind === "files") return this.fromFiles(source.kernel, source.initrd);
    if (source.kind === "urls") return this.fromUrls(source.kernel, source.initrd);
    return this.fromServer();
  }

  private async fromFiles(kernel: NamedBlob, initrd: NamedBlob | null): Promise<Images> {
    this.step("downloading", "Reading the files");
    const read = async (file: NamedBlob) => new Uint8Array(await file.arrayBuffer());
    return {
      name: nameFromFile(kernel.name),
      kernel: await read(kernel),
      initrd: initrd ? await read(initrd) : null,
      cmdline: OWN_KERNEL_CMDLINE,
      notice: null,
    };
  }

  private async fromUrls(kernel: string, initrd: string | null): Promise<Images> {
    const name = nameFromFile(new URL(kernel).pathname);
    const files = await this.downloadAll(initrd ? [kernel, initrd] : [kernel], 0);
    return { name, kernel: files[0]!, initrd: files[1] ?? null, cmdline: OWN_KERNEL_CMDLINE, notice: null };
  }

  private async fromServer(): Promise<Images> {
    const { base, fetcher } = this.environment;
    const guest = await awaitGuest(
      base,
      this.request.options.flavour,
      fetcher,
      ({ step, doneBytes, totalBytes }) => this.progress.set({ phase: "preparing", text: step, doneBytes, totalBytes }),
      this.abort.signal,
    );
    const urls = guest.initramfs ? [guest.kernel.url, guest.initramfs.url] : [guest.kernel.url];
    const files = await this.downloadAll(urls, guest.kernel.sizeBytes + (guest.initramfs?.sizeBytes ?? 0));
    const { name, cmdline, notice } = guest;
    return { name, kernel: files[0]!, initrd: files[1] ?? null, cmdline, notice };
  }

  /** Downloads one after the other and reports them as one transfer. `expectedBytes` is 0 when unknown. */
  private async downloadAll(urls: readonly string[], expectedBytes: number): Promise<Uint8Array[]> {
    const files: Uint8Array[] = [];
    let before = 0;
    for (const url of urls) {
      const text = files.length === 0 ? "Downloading the kernel" : "Downloading the initramfs";
      const file = await download(
        url,
        this.environment.fetcher,
        ({ doneBytes, totalBytes }) =>
          this.progress.set({
            phase: "downloading",
            text,
            doneBytes: before + doneBytes,
            totalBytes: expectedBytes || (totalBytes === null ? null : before + totalBytes),
          }),
        this.abort.signal,
      );
      before += file.length;
      files.push(file);
    }
    return files;
  }

  private step(phase: LaunchProgress["phase"], text: string): void {
    this.progress.set({ phase, text, doneBytes: 0, totalBytes: null });
  }
}

/** As Domain0 wants it. */
export function diskConfig({ target, vdev, readOnly, cdrom, layer }: LaunchDisk): DiskConfig {
  const access = readOnly || cdrom ? "r" : "w";
  return { target: layer ?? target, vdev, access, ...(cdrom ? { devtype: "cdrom" as const } : {}) };
}

/** "/boot/vmlinuz-6.1.0.bin" -> "vmlinuz-6.1.0": letters, digits, dot, dash and underscore, as xl accepts. */
export function nameFromFile(path: string): string {
  const file = path.split(/[\\/]/).pop() ?? "";
  const name = file.replace(/\.(bin|elf|img|gz|xz|efi)$/i, "").replace(/[^A-Za-z0-9._-]+/g, "-");
  return name.replace(/^-+|-+$/g, "").slice(0, 40) || "guest";
}

/** `name`, or the first of name-2, name-3 ... that is free. */
export function uniqueName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  let number = 2;
  while (taken.has(`${name}-${number}`)) number++;
  return `${name}-${number}`;
}

/** Which of some dropped files is the kernel and which the initramfs, by content first and by name second. */
export function sortDropped<T extends { readonly name: string }>(
  files: readonly { readonly file: T; readonly head: Uint8Array }[],
): { kernel: T | null; initrd: T | null } {
  const isKernel = ({ file, head }: { file: T; head: Uint8Array }) =>
    startsWith(head, [0x7f, 0x45, 0x4c, 0x46]) || hasBzImageMagic(head) || /^(vmlinu|bzimage|kernel)/i.test(file.name);
  const kernel = files.find(isKernel) ?? (files.length === 1 && !isInitramfs(files[0]!) ? files[0] : undefined);
  const initrd = files.find((entry) => entry !== kernel);
  return { kernel: kernel?.file ?? null, initrd: initrd?.file ?? null };
}

function isInitramfs({ file, head }: { file: { name: string }; head: Uint8Array }): boolean {
  const gzip = startsWith(head, [0x1f, 0x8b]);
  const newc = startsWith(head, [0x30, 0x37, 0x30, 0x37, 0x30]);
  return gzip || newc || /^(initr|initramfs)/i.test(file.name);
}

/** Linux/x86 boot protocol: "HdrS" at 0x202. */
function hasBzImageMagic(head: Uint8Array): boolean {
  return startsWith(head.subarray(0x202), [0x48, 0x64, 0x72, 0x53]);
}

function startsWith(data: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => data[index] === byte);
}
