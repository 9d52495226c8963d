/** The network back end: an interface for a guest's xen-netfront. [XEN] io/netif.h */
import type { Station, Wire } from "../../net/index.js";
import { ok, type Result } from "../../util/index.js";
import type { Backend, BackendIo } from "../backend.js";
import type { SavedVif } from "./saved.js";

export interface VifOptions {
  /** What the station is called: vif5.0, or what the configuration says. */
  readonly name: string;
  /** "00:16:3e:xx:xx:xx": the guest's address. */
  readonly mac: string;
  /** Most queues that the guest may use. */
  readonly queues: number;
  /** 1500 when absent. */
  readonly mtu?: number;
  /** Called when the front end has connected; the wire is unplugged when it is gone. */
  readonly plug: (station: Station) => Wire;
  /** Runs work after so many milliseconds; answers what calls it off. */
  readonly timer: (ms: number, work: () => void) => () => void;
  /** Most bytes per second that the guest may send; no limit when absent. */
  readonly rateBytesPerSecond?: number;
}

/** Keys that the toolstack writes before the handshake, as XenbusDevice.start takes them. */
export interface VifKeys {
  readonly frontend: Record<string, string>;
  readonly backend: Record<string, string>;
}

export class VifBackend implements Backend<SavedVif> {
  constructor(private readonly options: VifOptions) {}

  /** What the front end looks for in its own directory, and people in ours. `handle` is the number of the device. */
  keys(handle: number): VifKeys {
    const { mac, mtu = 1500 } = this.options;
    const shared = { mac, handle: String(handle), mtu: String(mtu) };
    return { frontend: shared, backend: shared };
  }

  negotiate(_io: BackendIo): Result<void> {
    return ok(undefined);
  }

  connect(_io: BackendIo): Result<void> {
    return ok(undefined);
  }

  onEvent(): void {}

  disconnect(): void {}

  async pause(): Promise<void> {}

  resume(): void {}

  save(): SavedVif {
    return { version: 1 };
  }

  restore(_saved: SavedVif): Result<void> {
    return ok(undefined);
  }

  /** Counters by name, as the guest sees it: rx is what it receives. Of all queues, and of each as "queue0.rxFrames". */
  stats(): Readonly<Record<string, number>> {
    return {};
  }
}
