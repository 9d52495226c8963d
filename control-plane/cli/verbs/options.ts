/** Options that verbs of several groups have. */
import type { VerbOption } from "./verb.js";

export const NO_NETWORK: VerbOption = {
  flags: "--no-network",
  text: "no network interfaces, whatever configurations say; the default guest has one that leads out",
};
