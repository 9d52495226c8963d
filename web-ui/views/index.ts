/** Front door of the page's views. */
export { type AppParts, AppView } from "./app/index.js";
export { defineElements } from "./elements.js";
export { buildRequirementsScreen } from "./requirements/index.js";
