/** What is recorded in a setting. */
import type { Work } from "../generate.js";
import type { Setting } from "./settings.js";

/** An instruction, where it starts from, and the setting that it runs in. */
export interface LegacyWork extends Work {
  readonly setting: Setting;
}
