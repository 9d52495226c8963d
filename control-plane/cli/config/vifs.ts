/** The interfaces of a configuration, each a text of xl-network-configuration(5), with the place of every mistake in it. */
import { parseVifSpec, type VifConfig } from "../../api/index.js";
import type { Cfg, CfgValue, Setting, StringValue } from "../cfg/index.js";
import type { SettingReader } from "./reader.js";

/** Undefined when nothing is said of interfaces; an empty list asks for none. */
export function readVifs(cfg: Cfg, reader: SettingReader): VifConfig[] | undefined {
  const setting = cfg.get("vif");
  if (setting === undefined) return undefined;
  const items: readonly CfgValue[] = setting.value.kind === "list" ? setting.value.items : [setting.value];
  const vifs: VifConfig[] = [];
  for (const item of items) {
    if (item.kind !== "string") {
      reader.complain({ ...setting, value: item }, 'expected a text in quotes, as in "bridge=lab" or ""');
      continue;
    }
    const vif = readVif(item, setting, reader);
    if (vif === null) continue;
    const twice = (["mac", "devid"] as const).find(
      (key) => vif[key] !== undefined && vifs.some((other) => other[key] === vif[key]),
    );
    if (twice !== undefined) {
      reader.complain(
        { ...setting, value: item },
        `${twice} ${vif[twice]} is there twice: give each interface its own`,
      );
    }
    vifs.push(vif);
  }
  return vifs;
}

function readVif(value: StringValue, setting: Setting, reader: SettingReader): VifConfig | null {
  const result = parseVifSpec(value.text);
  if (result.ok) return result.vif;
  const { offset, message } = result.fault;
  // Behind the quote; escapes before the place would move it, and have no use in an interface.
  const at = { ...value.at, column: value.at.column + 1 + offset };
  reader.complain({ ...setting, value: { ...value, at } }, message);
  return null;
}
