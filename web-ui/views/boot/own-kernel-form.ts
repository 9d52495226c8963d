/** "Bring your own kernel": two file pickers fed by dropping as well, and the switch for a PC's serial port. */
import { formatBytes, type NamedBlob, sortDropped } from "../../state/index.js";
import { h, icon, setText, uniqueId } from "../common/index.js";

export interface OwnKernel {
  readonly kernel: NamedBlob;
  readonly initrd: NamedBlob | null;
  readonly pcDevices: boolean;
}

/** Enough of a file to see what it is: the bzImage magic lies at 0x202. */
const HEAD_BYTES = 1024;

export class OwnKernelForm {
  readonly element: HTMLElement;
  private readonly kernel = new FilePicker("Kernel", "bzImage or ELF with a PVH note");
  private readonly initrd = new FilePicker("Initramfs", "optional");
  private readonly pcDevices = h("input", { type: "checkbox" });
  private readonly start: HTMLButtonElement;
  private readonly status = h("p", { class: "hint", role: "status" });

  constructor(boot: (own: OwnKernel) => void) {
    this.start = h("button", { type: "submit", class: "button" }, "Boot this kernel");
    const form = h(
      "form",
      { class: "own-kernel-form" },
      h("div", { class: "pickers" }, this.kernel.element, this.initrd.element),
      h(
        "label",
        { class: "switch" },
        this.pcDevices,
        h("span", {}, "Add a PC’s serial port, debug console and exit port (for unikernels and test kernels)"),
      ),
      h("div", { class: "own-kernel-actions" }, this.start, this.status),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const kernel = this.kernel.file;
      if (kernel) boot({ kernel, initrd: this.initrd.file, pcDevices: this.pcDevices.checked });
      else setText(this.status, "Choose a kernel first, or drop one anywhere on the page.");
    });
    const headingId = uniqueId("own");
    this.element = h(
      "section",
      { class: "own-kernel", "aria-labelledby": headingId },
      h("h2", { id: headingId }, "Bring your own kernel"),
      h("p", { class: "hint" }, "Drop a kernel and an initramfs anywhere on this page. They stay in this browser."),
      form,
    );
  }

  setBusy(busy: boolean): void {
    this.start.disabled = busy;
  }

  /** Takes dropped files, tells which is which, and shows them. */
  async take(files: readonly File[]): Promise<void> {
    const entries = await Promise.all(
      files.map(async (file) => ({ file, head: new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()) })),
    );
    const { kernel, initrd } = sortDropped(entries);
    if (kernel) this.kernel.set(kernel);
    if (initrd) this.initrd.set(initrd);
    const names = [kernel ? `kernel ${kernel.name}` : "", initrd ? `initramfs ${initrd.name}` : ""].filter(Boolean);
    setText(this.status, names.length > 0 ? `Taken: ${names.join(", ")}.` : "No kernel among these files.");
    if (kernel) this.start.focus();
  }
}

class FilePicker {
  readonly element: HTMLElement;
  file: File | null = null;
  private readonly detail: HTMLElement;
  private readonly input: HTMLInputElement;

  constructor(
    label: string,
    private readonly emptyText: string,
  ) {
    const detailId = uniqueId("file");
    this.detail = h("span", { class: "picker-detail", id: detailId }, emptyText);
    this.input = h("input", { type: "file", "aria-label": label, "aria-describedby": detailId });
    this.input.addEventListener("change", () => this.set(this.input.files?.[0] ?? null));
    this.element = h(
      "label",
      { class: "picker" },
      icon("file"),
      h("span", { class: "picker-label" }, label),
      this.detail,
      this.input,
    );
  }

  set(file: File | null): void {
    this.file = file;
    setText(this.detail, file ? `${file.name}, ${formatBytes(file.size)}` : this.emptyText);
    this.element.classList.toggle("filled", file !== null);
  }
}
