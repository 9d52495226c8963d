/** The console back ends: PV ring and serial, both over a ConsoleStream. */
export { ConsoleBackend, type ConsoleIo } from "./device.js";
export { restoreConsole, type SavedConsole, saveConsole } from "./saved.js";
export { SerialConsole, type SerialIo } from "./serial.js";
export { type ConsoleReader, type ConsoleSource, ConsoleStream } from "./stream.js";
