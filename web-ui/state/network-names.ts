/** Names of networks, as a person gives them in this page. */

/** The user-mode network. */
export const NAT = "nat";
const NETWORK_NAME = /^[A-Za-z0-9._-]{1,32}$/;

/** What is wrong with the name of a network, or null. */
export const networkNameProblem = (name: string): string | null =>
  NETWORK_NAME.test(name) ? null : "A network's name has up to 32 letters, digits, dots, dashes and underscores.";
