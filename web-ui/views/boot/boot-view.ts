/** The first screen, and the one for every further domain: one clear button, its choices, one's own kernel, the machine. */
import { type BootOptions, type GuestSource, type Launch, type LaunchDisk, Store } from "../../state/index.js";
import { type AppContext, h, setText, View } from "../common/index.js";
import { addAddress, addImage, buildDisksForm } from "./disks-form.js";
import { LaunchProgressBar } from "./launch-progress.js";
import { buildMachineFigure } from "./machine-figure.js";
import { buildOptionsForm, describeOptions } from "./options-form.js";
import { OwnKernelForm } from "./own-kernel-form.js";

export class BootView extends View {
  private readonly options: Store<BootOptions>;
  private readonly disks = new Store<readonly LaunchDisk[]>([]);
  private readonly ownKernel: OwnKernelForm;
  private readonly button = h("button", { type: "button", class: "button primary", id: "boot" });
  private readonly chosen = h("p", { class: "chosen" });
  private readonly progressSlot = h("div", { class: "progress-slot" });
  private readonly heading = h("h1", { tabindex: -1 });

  constructor(private readonly context: AppContext) {
    super();
    this.options = new Store(context.parameters.options);
    for (const url of context.parameters.diskUrls) addAddress(this.disks, url);
    this.ownKernel = new OwnKernelForm(({ kernel, initrd, pcDevices }) =>
      this.boot({ kind: "files", kernel, initrd }, pcDevices),
    );
  }

  protected build(): void {
    const { parameters, monitor } = this.context;
    this.button.textContent = parameters.kernelUrl ? "Boot the linked kernel" : "Boot Debian";
    this.button.addEventListener("click", () => this.bootDefault());
    const describe = () => setText(this.chosen, describeOptions(this.options.get(), this.disks.get().length));
    this.own(this.options.subscribe(describe));
    this.own(this.disks.subscribe(describe));
    this.own(
      monitor.snapshot.subscribe(({ rows }) =>
        setText(this.heading, rows.length === 0 ? "A Linux machine in this tab" : "Another domain on this machine"),
      ),
    );
    this.append(
      h(
        "div",
        { class: "boot-main" },
        this.heading,
        h(
          "p",
          { class: "lede" },
          "Xenolith is an x86-64 hypervisor in WebAssembly. It boots Debian’s kernel as Debian ships it, on memory and ",
          `processors that live in this page.${parameters.joins.length > 0 ? "" : " Nothing you do in the guest leaves your computer."}`,
        ),
        h("div", { class: "boot-action" }, this.button, this.chosen),
        this.progressSlot,
        buildOptionsForm(this.options, buildDisksForm(this.disks, this.context.shelf)),
        this.ownKernel.element,
      ),
      buildMachineFigure(this.context.singleThread),
    );
  }

  /** Boots what the page was opened for: the linked kernel, or else Debian. */
  bootDefault(): void {
    const { kernelUrl, initrdUrl } = this.context.parameters;
    this.boot(kernelUrl ? { kind: "urls", kernel: kernelUrl, initrd: initrdUrl } : { kind: "guest" }, false);
  }

  /** Puts an image among the disks of the next domain. */
  useImage(image: string): void {
    addImage(this.disks, image);
    this.button.focus();
    this.context.announce(`${image} is a disk of the next domain. Boot it with this button.`);
  }

  takeFiles(files: readonly File[]): void {
    void this.ownKernel.take(files);
  }

  focusTitle(): void {
    this.heading.focus();
  }

  /** Shows a launch that has begun; the returned function takes its progress away again. */
  showLaunch(launch: Launch): () => void {
    const bar = new LaunchProgressBar(() => launch.cancel());
    const unsubscribe = launch.progress.subscribe((progress) => bar.show(progress));
    this.progressSlot.replaceChildren(bar.element);
    this.setBusy(true);
    return () => {
      unsubscribe();
      this.progressSlot.replaceChildren();
      this.setBusy(false);
    };
  }

  private setBusy(busy: boolean): void {
    this.button.disabled = busy;
    this.ownKernel.setBusy(busy);
  }

  private boot(source: GuestSource, pcDevices: boolean): void {
    void this.bootWithDisks(source, pcDevices);
  }

  /** An image that is written to has one guest: the next domain starts without. */
  private async bootWithDisks(source: GuestSource, pcDevices: boolean): Promise<void> {
    const disks = this.disks.get();
    const started = await this.context.boot({ source, options: this.options.get(), pcDevices, disks });
    if (started) this.disks.set([]);
  }
}
