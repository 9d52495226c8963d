/** The first screen, and the one for every further domain: one clear button, its choices, one's own kernel, the machine. */
import { type BootOptions, type GuestSource, type Launch, Store } from "../../state/index.js";
import { type AppContext, h, setText, View } from "../common/index.js";
import { LaunchProgressBar } from "./launch-progress.js";
import { buildMachineFigure } from "./machine-figure.js";
import { buildOptionsForm, describeOptions } from "./options-form.js";
import { OwnKernelForm } from "./own-kernel-form.js";

export class BootView extends View {
  private readonly options: Store<BootOptions>;
  private readonly ownKernel: OwnKernelForm;
  private readonly button = h("button", { type: "button", class: "button primary", id: "boot" });
  private readonly chosen = h("p", { class: "chosen" });
  private readonly progressSlot = h("div", { class: "progress-slot" });
  private readonly heading = h("h1", { tabindex: -1 });

  constructor(private readonly context: AppContext) {
    super();
    this.options = new Store(context.parameters.options);
    this.ownKernel = new OwnKernelForm(({ kernel, initrd, pcDevices }) =>
      this.boot({ kind: "files", kernel, initrd }, pcDevices),
    );
  }

  protected build(): void {
    const { parameters, monitor } = this.context;
    this.button.textContent = parameters.kernelUrl ? "Boot the linked kernel" : "Boot Debian";
    this.button.addEventListener("click", () => this.bootDefault());
    this.own(this.options.subscribe((options) => setText(this.chosen, describeOptions(options))));
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
          "processors that live in this page. Nothing you do in the guest leaves your computer.",
        ),
        h("div", { class: "boot-action" }, this.button, this.chosen),
        this.progressSlot,
        buildOptionsForm(this.options),
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
    void this.context.boot({ source, options: this.options.get(), pcDevices });
  }
}
