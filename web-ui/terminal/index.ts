/** Front door of the consoles' terminals. */
export { CHORD_NAMES } from "./keys.js";
export { type SearchResults, TerminalSession } from "./terminal-session.js";
