/**
 * The PV console page: two byte rings and their indices. [XEN] io/console.h (xencons_interface)
 */
import type { MachineMemory } from "../../core-link/index.js";
import { ByteRing } from "../../ring/index.js";

/** Keyboard to guest. */
export const INPUT_RING = { data: 0, size: 1024, cons: 3072, prod: 3076 };
/** Guest to screen. */
export const OUTPUT_RING = { data: 1024, size: 2048, cons: 3080, prod: 3084 };

export const inputRing = (memory: MachineMemory, page: number): ByteRing => new ByteRing(memory, page, INPUT_RING);
export const outputRing = (memory: MachineMemory, page: number): ByteRing => new ByteRing(memory, page, OUTPUT_RING);
