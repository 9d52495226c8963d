/** What a domain's configuration may say: the rules that Domain0 checks and that its clients explain. */
import type { LifecycleAction } from "./types.js";

export const MEMORY_MIN_MIB = 2;
export const MEMORY_MAX_MIB = 1024 * 1024;
export const VCPUS_MAX = 128;
export const PCPUS_MAX = 128;
/** Of the credit scheduler: a weight, and a cap in per cent of a pCPU. */
export const WEIGHT_MIN = 1;
export const WEIGHT_MAX = 65535;
export const CAP_MAX = 65535;
export const DOMAIN_NAME = /^[A-Za-z0-9_.+-][A-Za-z0-9_.:+ -]{0,127}$/;
export const DOMAIN_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const LIFECYCLE_ACTIONS: readonly LifecycleAction[] = [
  "destroy",
  "restart",
  "rename-restart",
  "preserve",
  "coredump-destroy",
  "coredump-restart",
];
