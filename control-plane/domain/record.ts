/**
 * What Domain0 remembers of one domain beside what the core and xenstore hold: how it was configured, its connections,
 * and how it ended.
 */
import type { DomId, ShutdownReason } from "../api/types.js";
import type { ConsoleBackend, ConsoleStream, SerialConsole } from "../backends/console/index.js";
import type { EventChannel } from "../evtchn/index.js";
import { Asker } from "../storage/index.js";
import type { XenstoreRing } from "../xenstore/index.js";
import type { CheckedConfig } from "./config.js";
import type { DomainDisk } from "./disks.js";
import type { KernelImage } from "./kernel/index.js";
import type { Layout } from "./layout.js";
import type { DomainVif } from "./vifs.js";

/** How a domain ended. */
export interface Outcome {
  readonly reason: ShutdownReason;
  /** (value << 1) | 1 of what was written to the exit port. */
  readonly exitStatus?: number;
}

/** The consoles of a domain; they pass to its successor when it is restarted. */
export interface Consoles {
  readonly pv: ConsoleStream;
  readonly serial: ConsoleStream;
}

/** A value that will come once; asking for it later gives the same. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  resolve(value: T): void {
    this.#resolve(value);
  }
}

export class DomainRecord {
  /** Present while the domain is being built. */
  kernel: KernelImage | null = null;
  layout: Layout | null = null;
  storeChannel: EventChannel | null = null;
  consoleChannel: EventChannel | null = null;
  store: XenstoreRing | null = null;
  /** Machine addresses of guest pages that we hold on to. */
  readonly pinned: number[] = [];
  console: ConsoleBackend | null = null;
  serial: SerialConsole | null = null;
  /** By the number that the guest knows them by. */
  readonly disks = new Map<number, DomainDisk>();
  readonly vifs = new Map<number, DomainVif>();
  /** Who waits for images, until it is destroyed. */
  readonly asker = new Asker();
  /** Paused because somebody said so; a new domain is, until it is let run. */
  userPaused = true;
  /** In the core: destroying has something to free. */
  exists = false;
  dying = false;
  /** Set once the domain has shut down. */
  outcome: Outcome | null = null;
  readonly ended = new Deferred<Outcome>();
  /** When it has last been at rest, as `quiesce` asks it to be, and how often that was asked. */
  atRest: Promise<void> = Promise.resolve();
  freezes = 0;
  /** Work that must be looked at at the next service: set by event handlers. */
  storeDue = false;
  consoleDue = false;

  constructor(
    readonly domid: DomId,
    public name: string,
    readonly uuid: string,
    readonly config: CheckedConfig,
    readonly consoles: Consoles,
    readonly createdNs: number,
    public targetBytes: number,
  ) {}

  /** It is about to be no more: it waits neither for images to open nor for what it reads. */
  abandonDisks(): void {
    this.asker.leave();
    for (const disk of this.disks.values()) disk.abandon();
  }
}
