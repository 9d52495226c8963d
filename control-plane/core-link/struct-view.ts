/**
 * Reads and writes the core's structures by field name, from the descriptions in `wasm-core/abi/structs`.
 */
import { type Struct, scalarBytes } from "../../wasm-core/abi/layout.js";
import type { MachineMemory } from "./memory.js";

export class StructView<K extends string> {
  constructor(
    private readonly memory: MachineMemory,
    private readonly layout: Struct<K>,
    readonly address: number,
  ) {}

  /** Address of a field, or of an element of an array field. */
  addressOf(field: K, index = 0): number {
    const spec = this.layout.fields.get(field)!;
    return this.address + spec.offset + index * scalarBytes(spec.type);
  }

  /** A field's value; 64-bit ones as the nearest double. */
  get(field: K, index = 0): number {
    const spec = this.layout.fields.get(field)!;
    const at = this.addressOf(field, index);
    const view = this.memory.view(at + 8);
    switch (spec.type) {
      case "u8":
        return view.getUint8(at);
      case "u16":
        return view.getUint16(at, true);
      case "u32":
        return this.memory.load32(at);
      case "i32":
        return this.memory.load32(at) | 0;
      case "u64":
        return Number(view.getBigUint64(at, true));
      case "i64":
        return Number(view.getBigInt64(at, true));
    }
  }

  /** A 64-bit field, exactly. */
  getBig(field: K, index = 0): bigint {
    const at = this.addressOf(field, index);
    return this.memory.view(at + 8).getBigUint64(at, true);
  }

  /** Stores into a field of up to 32 bits, atomically where it is one word. */
  set(field: K, value: number, index = 0): void {
    const spec = this.layout.fields.get(field)!;
    const at = this.addressOf(field, index);
    const view = this.memory.view(at + 8);
    switch (scalarBytes(spec.type)) {
      case 1:
        view.setUint8(at, value);
        break;
      case 2:
        view.setUint16(at, value, true);
        break;
      case 4:
        this.memory.store32(at, value);
        break;
      default:
        view.setBigUint64(at, BigInt.asUintN(64, BigInt(Math.trunc(value))), true);
    }
  }
}
