/**
 * Xenolith's own small guest: what boots when Debian's Linux cannot be had. Assembled from the sources beside this file
 * when the project is built; it exercises the PV console, event channels, timers and clocks of the machine.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Hypercall } from "../../../wasm-core/abi/structs/xen.js";
import { Assembler, pvhElf } from "../../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../../wasm-core/isa/table.js";

/** In this order: constants of one file are used by those after it, and what is zero comes last. */
const SOURCES = ["boot", "traps", "xen", "console", "shell", "commands", "memory"];
const ORIGIN = 0x100000;

/** Numbers of Xen's interface that the sources use by name. [XEN] public headers */
const INTERFACE = {
  XENMEM_ADD_TO_PHYSMAP: 7,
  HVMOP_SET_PARAM: 0,
  HVMOP_GET_PARAM: 1,
  HVM_PARAM_CALLBACK_IRQ: 0,
  HVM_PARAM_CONSOLE_PFN: 17,
  HVM_PARAM_CONSOLE_EVTCHN: 18,
  EVTCHNOP_BIND_VIRQ: 1,
  EVTCHNOP_SEND: 4,
  EVTCHNOP_UNMASK: 9,
  VCPUOP_SET_SINGLESHOT: 8,
  SCHEDOP_YIELD: 0,
  SCHEDOP_SHUTDOWN: 2,
  SHUTDOWN_REBOOT: 1,
  SHUTDOWN_CRASH: 3,
  CONSOLEIO_WRITE: 0,
  VIRQ_TIMER: 0,
  DOMID_SELF: 0x7ff0,
};

const assembler = new Assembler(await loadTable());

/** The guest as an ELF file with a PVH note. */
export function buildEmbeddedGuest(): Uint8Array {
  const source = SOURCES.map((name) => readFileSync(new URL(`${name}.asm`, import.meta.url), "utf8")).join("\n");
  const hypercalls = Object.fromEntries(Object.entries(Hypercall.values).map(([name, n]) => [name, Number(n)]));
  const image = assembler.assemble(source, { origin: ORIGIN, define: { ...hypercalls, ...INTERFACE } });
  return pvhElf(image, Number(image.symbols.get("start")));
}

export function writeEmbeddedGuest(path: string): void {
  writeFileSync(path, buildEmbeddedGuest());
}
