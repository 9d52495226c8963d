/**
 * A domain's part of xenstore, as the toolstack lays it out before the guest starts. What the guest may write belongs to
 * it; the rest it may only read. [XEN] docs/misc/xenstore-paths.pandoc
 */

import { utf8ByteString } from "../util/index.js";
import { homeOf, type LocalStore, type LocalTransaction, type Permissions } from "../xenstore/index.js";
import type { DomainRecord } from "./record.js";

/** Keys below the domain's home that the guest owns. */
const GUEST_KEYS = [
  "control/shutdown",
  "control/feature-poweroff",
  "control/feature-reboot",
  "control/feature-suspend",
  "control/feature-s3",
  "control/feature-s4",
  "control/sysrq",
  "control/feature-freeze",
  "data",
  "drivers",
  "feature",
  "attr",
  "error",
];

const vmPath = (record: DomainRecord): string => `/vm/${record.uuid}`;
const kib = (bytes: number): string => String(Math.floor(bytes / 1024));

/** Owned by Domain0, readable by the domain. */
const readOnlyFor = (domid: number): Permissions => [
  { domid: 0, access: "n" },
  { domid, access: "r" },
];

const ownedBy = (domid: number): Permissions => [{ domid, access: "n" }];

export function writeDomainTree(store: LocalStore, record: DomainRecord): void {
  store.transact((transaction) => {
    const home = homeOf(record.domid);
    const vm = vmPath(record);
    const readOnly = readOnlyFor(record.domid);
    for (const path of [home, vm]) {
      transaction.mkdir(path);
      transaction.setPermissions(path, readOnly);
    }
    const values: [string, string][] = [
      [`${vm}/uuid`, record.uuid],
      [`${vm}/name`, utf8ByteString(record.name)],
      [`${vm}/start_time`, (record.createdNs / 1e9).toFixed(2)],
      ...homeValues(record).map(([key, value]): [string, string] => [`${home}/${key}`, value]),
    ];
    for (const [path, value] of values) writeWithParents(transaction, path, value, readOnly);
    for (const key of GUEST_KEYS) {
      writeWithParents(transaction, `${home}/${key}`, "", readOnly);
      transaction.setPermissions(`${home}/${key}`, ownedBy(record.domid));
    }
    for (const [key, value] of Object.entries(record.config.xenstoreData)) {
      transaction.write(`${home}/data/${key}`, utf8ByteString(value));
    }
  });
}

function homeValues(record: DomainRecord): [string, string][] {
  const { config, layout, domid } = record;
  const cpus = Array.from({ length: config.maxVcpus }, (_, cpu): [string, string] => [
    `cpu/${cpu}/availability`,
    cpu < config.vcpus ? "online" : "offline",
  ]);
  return [
    ["vm", vmPath(record)],
    ["name", utf8ByteString(record.name)],
    ["domid", String(domid)],
    ["memory/static-max", kib(config.maxMemoryBytes)],
    ["memory/target", kib(config.memoryBytes)],
    ["device", ""],
    ["backend", ""],
    ["control/platform-feature-multiprocessor-suspend", "1"],
    ["control/platform-feature-xs_reset_watches", "1"],
    ["store/port", String(record.storeChannel?.guestPort ?? 0)],
    ["store/ring-ref", String(layout?.xenstoreGfn ?? 0)],
    ["console/port", String(record.consoleChannel?.guestPort ?? 0)],
    ["console/ring-ref", String(layout?.consoleGfn ?? 0)],
    ["console/type", "xenconsoled"],
    ["console/limit", "1048576"],
    ...cpus,
  ];
}

/** Parents that are made on the way get the same permissions. */
function writeWithParents(transaction: LocalTransaction, path: string, value: string, permissions: Permissions): void {
  const names = path.split("/").slice(1);
  for (let depth = 1; depth <= names.length; depth++) {
    const at = `/${names.slice(0, depth).join("/")}`;
    if (transaction.exists(at)) continue;
    transaction.mkdir(at);
    if (depth > 3 || at.startsWith("/vm/")) transaction.setPermissions(at, permissions);
  }
  transaction.write(path, value);
}

/** Removes everything that speaks of the domain. */
export function removeDomainTree(store: LocalStore, record: DomainRecord): void {
  store.transact((transaction) => {
    transaction.remove(homeOf(record.domid));
    transaction.remove(vmPath(record));
    for (const kind of transaction.list("/local/domain/0/backend")) {
      const path = `/local/domain/0/backend/${kind}/${record.domid}`;
      if (transaction.exists(path)) transaction.remove(path);
    }
  });
}

/** Asks the guest to shut down; it reads the key and clears it. */
export function requestShutdown(store: LocalStore, domid: number, reason: string): void {
  store.write(`${homeOf(domid)}/control/shutdown`, reason);
}

export function writeSysrq(store: LocalStore, domid: number, key: string): void {
  store.write(`${homeOf(domid)}/control/sysrq`, key);
}

export function writeMemoryTarget(store: LocalStore, domid: number, bytes: number): void {
  store.write(`${homeOf(domid)}/memory/target`, kib(bytes));
}

/** Asks the guest for the first `count` of its processors; it takes the others away. [XEN] cpu/N/availability */
export function writeVcpus(store: LocalStore, domid: number, count: number, maxVcpus: number): void {
  store.transact((transaction) => {
    for (let cpu = 0; cpu < maxVcpus; cpu++) {
      const path = `${homeOf(domid)}/cpu/${cpu}/availability`;
      const value = cpu < count ? "online" : "offline";
      // Each write fires the guest's watch.
      if (transaction.read(path) !== value) transaction.write(path, value);
    }
  });
}

export function writeName(store: LocalStore, record: DomainRecord): void {
  store.transact((transaction) => {
    transaction.write(`${homeOf(record.domid)}/name`, utf8ByteString(record.name));
    transaction.write(`${vmPath(record)}/name`, utf8ByteString(record.name));
  });
}

/** Domain0's own entry. */
export function writeDomain0Tree(store: LocalStore): void {
  store.transact((transaction) => {
    transaction.write("/local/domain/0/name", "Domain-0");
    transaction.write("/local/domain/0/domid", "0");
    transaction.mkdir("/local/domain/0/backend");
    transaction.mkdir("/tool/xenstored");
    transaction.mkdir("/vm");
  });
}
