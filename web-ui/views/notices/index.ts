/** Front door of the messages. */
export { NoticesView } from "./notices-view.js";
