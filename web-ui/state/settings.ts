/**
 * What the page remembers about its reader: theme, font size, screen reader support. Kept as one JSON value in
 * localStorage; where storage is denied the settings live as long as the page does.
 */
import { Store } from "./store.js";

export type Theme = "system" | "light" | "dark";

export interface Settings {
  readonly theme: Theme;
  readonly fontSizePx: number;
  /** xterm.js's screenReaderMode. On until switched off: a page cannot detect a screen reader. */
  readonly screenReader: boolean;
}

export const FONT_SIZE_MIN_PX = 10;
export const FONT_SIZE_MAX_PX = 28;

const DEFAULTS: Settings = { theme: "system", fontSizePx: 14, screenReader: true };
const KEY = "xenolith.settings";

type Storage = Pick<globalThis.Storage, "getItem" | "setItem">;

/** Reads stored settings; anything malformed falls back to its default. */
export function parseSettings(text: string | null): Settings {
  let raw: unknown;
  try {
    raw = JSON.parse(text ?? "{}");
  } catch {
    return DEFAULTS;
  }
  if (typeof raw !== "object" || raw === null) return DEFAULTS;
  const fields = raw as Record<string, unknown>;
  const { theme, fontSizePx, screenReader } = fields;
  return {
    theme: theme === "light" || theme === "dark" ? theme : "system",
    fontSizePx: typeof fontSizePx === "number" ? clampFontSize(fontSizePx) : DEFAULTS.fontSizePx,
    screenReader: typeof screenReader === "boolean" ? screenReader : DEFAULTS.screenReader,
  };
}

export function clampFontSize(px: number): number {
  if (!Number.isFinite(px)) return DEFAULTS.fontSizePx;
  return Math.min(FONT_SIZE_MAX_PX, Math.max(FONT_SIZE_MIN_PX, Math.round(px)));
}

export function nextTheme(theme: Theme): Theme {
  return theme === "system" ? "light" : theme === "light" ? "dark" : "system";
}

/** A store that starts from `storage` and writes every change back to it. */
export function rememberedSettings(storage: () => Storage): Store<Settings> {
  const store = new Store(parseSettings(attempt(() => storage().getItem(KEY)) ?? null));
  let first = true;
  store.subscribe((settings) => {
    if (first) first = false;
    else attempt(() => storage().setItem(KEY, JSON.stringify(settings)));
  });
  return store;
}

/** Storage throws where it is denied or full: the page goes on without it. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
