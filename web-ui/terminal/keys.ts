/**
 * The few chords the page keeps from the guest. All have Ctrl+Shift (Cmd on a Mac for search), which a terminal
 * cannot tell from Ctrl alone, so no program in a guest loses a key. Everything else, Tab included, goes to the guest:
 * that is why there must be a chord that leaves.
 */

export type Chord = "leave" | "search" | "copy" | "paste";

export interface KeyFacts {
  readonly ctrlKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly code: string;
}

/** Chords as shown to people. */
export const CHORD_NAMES: Readonly<Record<Chord, string>> = {
  leave: "Ctrl+Shift+Enter",
  search: "Ctrl+Shift+F",
  copy: "Ctrl+Shift+C",
  paste: "Ctrl+Shift+V",
};

const BY_CODE: Readonly<Record<string, Chord>> = {
  Enter: "leave",
  NumpadEnter: "leave",
  KeyF: "search",
  KeyC: "copy",
  KeyV: "paste",
};

/** The chord of a key press, or null when it is the guest's. */
export function chordOf(key: KeyFacts): Chord | null {
  if (key.altKey) return null;
  if (key.metaKey && !key.ctrlKey && key.code === "KeyF") return "search";
  if (!key.ctrlKey || !key.shiftKey || key.metaKey) return null;
  return BY_CODE[key.code] ?? null;
}
