/**
 * The console's colours, one palette per theme. They belong to the page's own palette (styles/tokens.css) and keep
 * the sixteen ANSI colours apart on either ground; xterm.js raises what a guest's own choice leaves below 4.5:1.
 */
import type { ITheme } from "@xterm/xterm";

export const DARK_PALETTE: ITheme = {
  background: "#0e110f",
  foreground: "#dde3dc",
  cursor: "#bcd35f",
  cursorAccent: "#0e110f",
  selectionBackground: "#46552e",
  black: "#2a302c",
  red: "#e5786d",
  green: "#9bc46a",
  yellow: "#d9b45b",
  blue: "#7fa8d6",
  magenta: "#c394cf",
  cyan: "#74bfb8",
  white: "#c6cdc6",
  brightBlack: "#7d8880",
  brightRed: "#f2988e",
  brightGreen: "#b9dc8c",
  brightYellow: "#edcd80",
  brightBlue: "#a3c4ea",
  brightMagenta: "#dab3e3",
  brightCyan: "#9cdad3",
  brightWhite: "#f3f6f2",
};

export const LIGHT_PALETTE: ITheme = {
  background: "#fbfcfa",
  foreground: "#1b211d",
  cursor: "#55690f",
  cursorAccent: "#fbfcfa",
  selectionBackground: "#d3dfae",
  black: "#1b211d",
  red: "#a8322a",
  green: "#3d6b12",
  yellow: "#7d5a00",
  blue: "#23568f",
  magenta: "#7a3a8a",
  cyan: "#1a6660",
  white: "#5d6760",
  brightBlack: "#6a746d",
  brightRed: "#bc4238",
  brightGreen: "#4c7c1e",
  brightYellow: "#8c6708",
  brightBlue: "#31689f",
  brightMagenta: "#8c4a9c",
  brightCyan: "#257871",
  brightWhite: "#2d352f",
};

/** What the search marks: every match, and the one it stands on. */
export function searchDecorations(dark: boolean) {
  return dark
    ? {
        matchBackground: "#39431f",
        matchOverviewRuler: "#8d9a45",
        activeMatchBackground: "#7d8f2b",
        activeMatchColorOverviewRuler: "#bcd35f",
      }
    : {
        matchBackground: "#e6ecc9",
        matchOverviewRuler: "#8d9a45",
        activeMatchBackground: "#bfd267",
        activeMatchColorOverviewRuler: "#55690f",
      };
}
