/** How a sample's registers and immediates name memory: in flat segments the linear address itself. */
import { CODE_SELECTOR } from "./layout.js";
import type { Reach } from "./sample.js";

/** Flat segments of the recording kernel's. */
export const flatReach = (mode: 32 | 64): Reach => ({
  codeSelector: CODE_SELECTOR[mode],
  wrongCode: [0, 0xfff8, 0x10],
  dataSelectors: [],
  code: (linear) => linear,
  stack: (_, linear) => linear,
  pointer: (_, linear) => linear,
  count: (_, value) => value,
});

export const FLAT_64 = flatReach(64);
