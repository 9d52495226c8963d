/** Front door of the domain list. */
export { DomainActions } from "./actions.js";
export { DomainsView } from "./domains-view.js";
