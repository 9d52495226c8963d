/** All verbs, in the order in which help shows them. */
import { DISK_VERBS } from "./disks.js";
import { DOMAIN_VERBS, XENSTORE_VERBS } from "./domains.js";
import { MACHINE_VERBS } from "./machine.js";
import { NETWORK_VERBS } from "./networks.js";
import type { Verb } from "./verb.js";

export type { Verb } from "./verb.js";

/** Verbs by what they are about. */
export const VERB_GROUPS: readonly (readonly [title: string, verbs: readonly Verb[]])[] = [
  ["The machine:", MACHINE_VERBS],
  ["Domains:", DOMAIN_VERBS],
  ["Disks:", DISK_VERBS],
  ["Networks:", NETWORK_VERBS],
  ["Xenstore:", XENSTORE_VERBS],
];
