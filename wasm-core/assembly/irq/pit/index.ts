/** The 8254 programmable interval timer. */
export { pitDeadline, pitRead, pitReset, pitSync, pitWrite, portBRead, portBWrite } from "./device";
export { PIT_SAVED_BYTES, pitRestore, pitSave } from "./saved";
