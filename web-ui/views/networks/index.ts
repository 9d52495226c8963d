/** Front door of the networks screen. */
export { NetworksView } from "./networks-view.js";
