/** The store: server, a guest's ring, and Domain0's own door. */
export { type XsError, type XsMessage, XsType } from "./codec.js";
export { type LocalStore, LocalTransaction } from "./local.js";
export { homeOf, INTRODUCE_DOMAIN, isAtOrBelow, RELEASE_DOMAIN } from "./path.js";
export type { Permission, Permissions } from "./perms.js";
export { DEFAULT_QUOTA, type Quota } from "./quota.js";
export { XenstoreRing, XenstoreRingError } from "./ring.js";
export { XenstoreServer } from "./server.js";
