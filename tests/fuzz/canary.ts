/**
 * What no guest may ever change: another domain's memory, the core's constants, and the page at address 0 that every
 * null pointer of the core's would hit.
 */
import { Domain } from "../../wasm-core/abi/structs/domain.js";
import { DATA_BASE, Frame, MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import type { TestCore } from "../support/core.js";

const PAGE = 4096;
const PAGES = 16;
/** Fields of the canary domain that nobody else has a reason to change. */
const STEADY = ["domid", "maxPages", "maxVcpus", "p2mRoot", "sharedInfo"].filter((name) => name in Domain.off);

/** FNV-1a over 32-bit words. */
function hash(words: Uint32Array): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) h = Math.imul(h ^ words[i]!, 0x01000193);
  return h >>> 0;
}

export class Canary {
  readonly #pages: number[] = [];
  readonly #most: number;
  #before = "";

  /** Makes domain `domid`, paused for ever, with pages full of a pattern, and room for `more` of them. */
  constructor(
    private readonly core: TestCore,
    private readonly domid: number,
    more = 0,
  ) {
    const { call } = core;
    this.#most = PAGES + more;
    if (call.domainCreate(domid, 1, this.#most) < 0 || call.domainAddRam(domid, 0, this.#most) < 0)
      throw new Error("no canary");
    for (let gfn = 0; gfn < PAGES; gfn++) this.#populate();
    this.#before = this.#state();
  }

  #populate(): void {
    const page = this.core.call.domainPage(this.domid, this.#pages.length) >>> 0;
    const words = this.#words(page, PAGE);
    for (const i of words.keys()) words[i] = page + 0x5a5a0000 + i;
    this.#pages.push(page);
  }

  /** One page more, if there is room: the frame that the machine gives out next. What was before must be right. */
  plant(): void {
    this.check();
    if (this.#pages.length < this.#most) this.#populate();
    this.#before = this.#state();
  }

  #words(address: number, bytes: number): Uint32Array {
    return new Uint32Array(this.core.memory.buffer, address, bytes >>> 2);
  }

  #state(): string {
    const view = new DataView(this.core.memory.buffer);
    const frames = view.getUint32(MACHINE_BASE + Machine.off.frameTable, true);
    const domain = this.core.call.domainAddress(this.domid) >>> 0;
    const state = {
      zeroPage: hash(this.#words(0, PAGE)),
      constants: hash(this.#words(DATA_BASE, frames - DATA_BASE)),
      pages: this.#pages.map((page) => hash(this.#words(page, PAGE))),
      frames: this.#pages.map((page) => hash(this.#words(frames + (page / PAGE) * Frame.size, 8))),
      domain: STEADY.map((name) => view.getUint32(domain + Domain.off[name as keyof typeof Domain.off], true)),
    };
    return JSON.stringify(state);
  }

  /** Throws when something has changed. */
  check(): void {
    const now = this.#state();
    if (now !== this.#before) throw new Error(`memory of others changed:\n${this.#before}\n${now}`);
  }
}
