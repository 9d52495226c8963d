/** The choices behind "Boot Debian": kernel flavour, vCPUs, memory, command line; folded away, their values in sight. */
import {
  type BootOptions,
  FLAVOURS,
  formatBytes,
  formatCount,
  type KernelFlavour,
  MEMORY_STEPS_MIB,
  memoryStepIndex,
  NAT,
  networkNameProblem,
  type Store,
  VCPUS_MAX,
  VCPUS_MIN,
} from "../../state/index.js";
import { buildTextField, h, setText, uniqueId } from "../common/index.js";

const FLAVOUR_TEXTS: Readonly<Record<KernelFlavour, { title: string; detail: string }>> = {
  cloud: { title: "Cloud kernel", detail: "linux-image-cloud-amd64: Debian’s small kernel for virtual machines" },
  full: { title: "Full kernel", detail: "linux-image-amd64: every driver, a larger download" },
};

export function describeOptions(options: BootOptions, disks: number): string {
  const parts = [
    FLAVOUR_TEXTS[options.flavour].title.toLowerCase(),
    formatCount(options.vcpus, "vCPU"),
    formatBytes(options.memoryMiB * 1048576),
  ];
  if (disks > 0) parts.push(formatCount(disks, "disk"));
  parts.push(
    options.network === null ? "no network" : options.network === NAT ? "network" : `network ${options.network}`,
  );
  if (options.cmdline !== null) parts.push("own command line");
  return parts.join(" · ");
}

/** The folded form; it writes what is chosen into `options`. `disks` is the part about these. */
export function buildOptionsForm(options: Store<BootOptions>, disks: HTMLElement): HTMLElement {
  return h(
    "details",
    { class: "choices" },
    h("summary", {}, "Kernel, processors, memory, disks and network"),
    h(
      "div",
      { class: "choices-body" },
      buildFlavours(options),
      buildSlider("vCPUs", options, {
        min: VCPUS_MIN,
        max: VCPUS_MAX,
        at: (value) => value.vcpus,
        change: (vcpus) => ({ vcpus }),
        text: (value) => formatCount(value.vcpus, "processor"),
      }),
      buildSlider("Memory", options, {
        min: 0,
        max: MEMORY_STEPS_MIB.length - 1,
        at: (value) => memoryStepIndex(value.memoryMiB),
        change: (index) => ({ memoryMiB: MEMORY_STEPS_MIB[index]! }),
        text: (value) => formatBytes(value.memoryMiB * 1048576),
      }),
      disks,
      buildNetwork(options),
      buildCmdline(options),
    ),
  );
}

function buildFlavours(options: Store<BootOptions>): HTMLElement {
  const name = uniqueId("flavour");
  const choices = FLAVOURS.map((flavour) =>
    h(
      "label",
      { class: "choice" },
      h("input", {
        type: "radio",
        name,
        value: flavour,
        checked: options.get().flavour === flavour,
        onchange: () => options.patch({ flavour }),
      }),
      h("span", { class: "choice-title" }, FLAVOUR_TEXTS[flavour].title),
      h("span", { class: "choice-detail" }, FLAVOUR_TEXTS[flavour].detail),
    ),
  );
  return h("fieldset", { class: "flavours" }, h("legend", {}, "Kernel"), ...choices);
}

interface Slider {
  readonly min: number;
  readonly max: number;
  at(options: BootOptions): number;
  change(value: number): Partial<BootOptions>;
  text(options: BootOptions): string;
}

function buildSlider(label: string, options: Store<BootOptions>, slider: Slider): HTMLElement {
  const id = uniqueId("slider");
  const output = h("output", { for: id });
  const input = h("input", { id, type: "range", min: slider.min, max: slider.max, step: 1 });
  input.addEventListener("input", () => options.patch(slider.change(Number(input.value))));
  options.subscribe((value) => {
    input.value = String(slider.at(value));
    input.setAttribute("aria-valuetext", slider.text(value));
    setText(output, slider.text(value));
  });
  return h("div", { class: "slider" }, h("label", { for: id }, label), input, output);
}

function buildNetwork(options: Store<BootOptions>): HTMLElement {
  const { element, input } = buildTextField({
    label: "Network",
    hint: "nat leads out. Domains that name another network here can talk to each other. Empty is none.",
    placeholder: "none",
    value: options.get().network ?? "",
  });
  input.addEventListener("input", () => {
    const name = input.value.trim();
    const problem = name === "" ? null : networkNameProblem(name);
    input.setCustomValidity(problem ?? "");
    input.reportValidity();
    if (problem === null) options.patch({ network: name === "" ? null : name });
  });
  return element;
}

function buildCmdline(options: Store<BootOptions>): HTMLElement {
  const { element, input } = buildTextField({
    label: "Kernel command line",
    hint: "Replaces the guest’s own. The console is hvc0.",
    class: "mono",
    placeholder: "the guest’s own",
    value: options.get().cmdline ?? "",
  });
  input.addEventListener("input", () => options.patch({ cmdline: input.value.trim() === "" ? null : input.value }));
  return element;
}
