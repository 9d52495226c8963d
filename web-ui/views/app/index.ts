/** Front door of the application. */
export { type AppParts, AppView } from "./app-view.js";
