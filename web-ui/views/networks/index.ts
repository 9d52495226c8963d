/** Front door of the networks screen. */
export { join } from "./links.js";
export { NetworksView } from "./networks-view.js";
