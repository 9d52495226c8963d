/** Front door of the screen for browsers that lack something. */
export { buildRequirementsScreen } from "./requirements-screen.js";
