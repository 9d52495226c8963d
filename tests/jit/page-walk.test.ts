/**
 * What the compiler finds in the guest's page tables is what the core's walk finds there, in every paging mode, over
 * random tables; where the core finds nothing it finds nothing. [SDM] vol. 3A, 4.3 to 4.5.
 */
import { expect, it } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { walkPages } from "../../wasm-core/jit/region/page-walk.js";
import { callable } from "../../wasm-core/jit/testing/doors.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";

const FRAMES = 8192;
const RAM_PAGES = 2560;
const PAGE = 4096n;
const TABLES = 24;
const ROUNDS = 400;
const LOOKS = 40;
/** Present, writable, for users. */
const RIGHTS = 7n;
const LARGE = 0x80n;
const { off } = Vcpu;

interface Mode {
  readonly cr0: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly entry: 4 | 8;
  /** log2 of what an entry of each level covers, from the top. */
  readonly shifts: readonly number[];
  /** The levels, counted so, whose entries may be pages. */
  readonly large: readonly number[];
  readonly code: 32 | 64;
}

const [PE, PG, PSE, PAE, LONG] = [0x33n, 0x8000_0033n, 0x10n, 0x20n, 0xd01n];
const MODES: Record<string, Mode> = {
  "4-level": { cr0: PG, cr4: PAE, efer: LONG, entry: 8, shifts: [39, 30, 21, 12], large: [1, 2], code: 64 },
  PAE: { cr0: PG, cr4: PAE, efer: 0n, entry: 8, shifts: [30, 21, 12], large: [1], code: 32 },
  "32-bit": { cr0: PG, cr4: PSE, efer: 0n, entry: 4, shifts: [22, 12], large: [0], code: 32 },
  none: { cr0: PE, cr4: 0n, efer: 0n, entry: 8, shifts: [], large: [], code: 32 },
};

it.each(Object.entries(MODES))("%s", async (name, mode) => {
  const core = await makeTestCore();
  const { regionPage } = callable(core.call, ["regionPage"]);
  const machine = new LongModeMachine(core, FRAMES, RAM_PAGES);
  const { cpu } = machine;
  const random = new Random(name.length);
  const view = new DataView(core.memory.buffer);
  const words = new Uint32Array(core.memory.buffer);
  const [root, ...tables] = machine.reserve(TABLES) as [bigint, ...bigint[]];
  const set = (at: number, value: bigint): void => view.setBigUint64(cpu + at, value, true);
  const top = mode.shifts[0] ?? 32;
  /** Few places at each level, so that what is looked for is mostly there. */
  const places = Array.from({ length: 6 }, () => random.below(512));
  const linear = (): bigint => {
    let lin = BigInt(random.below(1 << 20) & 0xfff);
    for (const shift of mode.shifts) lin |= BigInt(random.pick(places)) << BigInt(shift);
    if (mode.shifts.length === 0) lin = BigInt(random.below(RAM_PAGES + 100)) * PAGE;
    return mode.code === 64 ? BigInt.asUintN(64, BigInt.asIntN(top + 9, lin)) : BigInt.asUintN(32, lin);
  };
  const fill = (table: bigint, level: number): void => {
    for (let i = 0n; i < PAGE / BigInt(mode.entry); i++) {
      const isPage = level + 1 === mode.shifts.length || (mode.large.includes(level) && random.once(4));
      const pages = 1n << BigInt(mode.shifts[level]! - 12);
      const gfn = isPage ? BigInt(random.below(RAM_PAGES + 100)) & ~(pages - 1n) : random.pick(tables) / PAGE;
      const first = mode.shifts.length === 3 && level === 0;
      let entry = (gfn << 12n) | (first ? 1n : RIGHTS);
      if (isPage && pages > 1n) entry |= LARGE;
      if (random.once(8)) entry &= ~1n;
      // Above 4 GiB there is no memory.
      if (mode.entry === 8 && random.once(64)) entry |= 1n << 40n;
      const at = machine.at(table) + Number(i) * mode.entry;
      if (mode.entry === 8) view.setBigUint64(at, entry, true);
      else view.setUint32(at, Number(entry), true);
    }
  };
  let found = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const levels = mode.shifts.length;
    // A table may be met at each level, and has entries of one.
    if (levels > 0) fill(root, 0);
    if (levels > 1) for (const t of tables) if (round === 0 || random.once(8)) fill(t, 1 + random.below(levels - 1));
    set(off.cr0, mode.cr0);
    set(off.cr3, root);
    set(off.cr4, mode.cr4 | 0x600n);
    set(off.efer, mode.efer);
    view.setUint32(cpu + off.pdpteValid, 0, true);
    machine.enterUser(mode.code, 0n);
    machine.refresh();
    for (let look = 0; look < LOOKS; look++) {
      const lin = linear();
      core.call.testFlush(cpu);
      // The first walk reads the PDPTE registers.
      regionPage(cpu, lin, 0, 1, 0);
      core.call.testFlush(cpu);
      const host = walkPages((at) => words[at >>> 2] ?? 0, cpu, lin & ~0xfffn);
      if (host !== 0) found++;
      // The core says whether the page lies there; nowhere is 0.
      expect(regionPage(cpu, lin, 0, host, 0), `round ${round}, ${lin.toString(16)}`).toBe(1);
    }
  }
  expect(found).toBeGreaterThan(ROUNDS);
});
