/** Front door of the xenstore browser. */
export { XenstoreView } from "./xenstore-view.js";
