/** Front door of the consoles. */
export { ConsolesView } from "./consoles-view.js";
