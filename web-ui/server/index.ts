/** Front door of the playground's server, for the tests that serve the page themselves. */
export { type GuestFiles, GuestShelf, type ShelfSources } from "./guest-shelf.js";
export { createPlaygroundServer, listen, PAGE_HEADERS } from "./http-server.js";
