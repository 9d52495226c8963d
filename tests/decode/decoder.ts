/** The core's decoder, asked about single instructions. */

import { ModeKey } from "../../wasm-core/abi/structs/vcpu.js";
import type { Row } from "../../wasm-core/isa/row.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { buildTree } from "../../wasm-core/isa/tree.js";
import { variantsOf } from "../../wasm-core/isa/variants.js";
import { makeTestCore, type TestCore } from "../support/core.js";

/** Offset of the record that testDecode fills. */
const RECORD = 512;
const LENGTH = 0xff;
const { CODE16, CODE32, CODE64, PROTECTED, STACK32, LONG } = ModeKey.values as Record<string, number>;
const KEY = {
  16: CODE16! | PROTECTED!,
  32: CODE32! | PROTECTED! | STACK32!,
  64: CODE64! | PROTECTED! | STACK32! | LONG!,
};

export interface Decoded {
  /** Zero or less when the bytes are no instruction: too long. */
  readonly length: number;
  readonly undefined: boolean;
  /** The row that was chosen; absent when none was. */
  readonly row?: Row;
}

export class CoreDecoder {
  private readonly memory: Uint8Array;
  private readonly view: DataView;
  private readonly undefinedBit: number;
  private readonly rowOf = new Map<number, Row>();

  private constructor(
    private readonly core: TestCore,
    private readonly page: number,
    leaves: readonly Row[],
  ) {
    this.memory = new Uint8Array(core.memory.buffer);
    this.view = new DataView(core.memory.buffer);
    this.undefinedBit = Number(core.call.testUndefined.value);
    let variant = 0;
    for (const row of leaves) for (const _ of variantsOf(row)) this.rowOf.set(core.call.testHandler(variant++), row);
  }

  static async make(): Promise<CoreDecoder> {
    const core = await makeTestCore();
    core.call.machineInit(1024, 1, 1, 1, 0);
    core.call.domainCreate(1, 1, 16);
    core.call.domainAddRam(1, 0, 1);
    const families = await loadTable();
    return new CoreDecoder(core, core.call.domainPage(1, 0) >>> 0, buildTree(families.flatMap((f) => f.rows)).leaves);
  }

  decode(mode: 16 | 32 | 64, bytes: Uint8Array): Decoded {
    this.memory.set(bytes, this.page);
    const answer = this.core.call.testDecode(this.page, bytes.length, KEY[mode]);
    if (answer <= 0) return { length: answer, undefined: true };
    const row = this.rowOf.get(this.view.getUint16(this.page + RECORD, true));
    const isUndefined = (answer & this.undefinedBit) !== 0 || row?.semantic === "undefinedOpcode";
    return { length: answer & LENGTH, undefined: isUndefined, ...(row === undefined ? {} : { row }) };
  }
}
