/** The 8254 programmable interval timer. */
export { pitDeadline, pitRead, pitReset, pitSync, pitWrite, portBRead, portBWrite } from "./device";
