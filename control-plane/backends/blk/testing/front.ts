/**
 * A block front end for tests: a domain of the fake core whose pages, grants, rings and keys the test plays, with the real
 * back end, handshake and store behind them.
 */
import { FakeCore } from "../../../core-link/fake.js";
import { PAGE_BYTES } from "../../../core-link/index.js";
import { backendIo } from "../../../domain/backend-io.js";
import { EventChannels } from "../../../evtchn/index.js";
import { FrontRing } from "../../../ring/index.js";
import type { Disk } from "../../../storage/index.js";
import { LogRing } from "../../../util/index.js";
import { XenbusDevice } from "../../../xenbus/index.js";
import { XenstoreServer } from "../../../xenstore/index.js";
import { abiOf, BlkOp, BlkRequest, type BlkResponse, readResponse, writeRequest, writeSegments } from "../codec.js";
import { BlkBackend, type BlkOptions } from "../device.js";

export const DOMID = 5;
export const FRONTEND = `/local/domain/${DOMID}/device/vbd/51712`;
export const BACKEND = `/local/domain/0/backend/vbd/${DOMID}/51712`;
const PAGES = 8192;

export interface FrontOptions extends Omit<BlkOptions, "disk"> {
  readonly protocol?: "x86_64-abi" | "x86_32-abi";
  /** Null writes the keys of a ring of one page in the old way. */
  readonly order?: number | null;
  readonly queues?: number;
  readonly persistent?: boolean;
}

interface Queue {
  readonly ring: FrontRing;
  readonly port: number;
}

export class BlkFront {
  readonly core = new FakeCore();
  readonly store = new XenstoreServer();
  readonly channels = new EventChannels(this.core);
  readonly log = new LogRing({ now: () => 0 });
  readonly backend: BlkBackend;
  readonly device: XenbusDevice;
  readonly queues: Queue[] = [];
  readonly #later: (() => void)[] = [];
  #nextGfn = 16;
  #nextRef = 8;

  constructor(
    disk: Disk,
    private readonly options: FrontOptions = {},
  ) {
    this.core.calls.machineInit(PAGES, 1, 0, 0, 0);
    this.core.calls.domainCreate(DOMID, 1, PAGES);
    this.core.calls.domainAddRam(DOMID, 0, PAGES);
    const { core, channels, log } = this;
    const paths = { frontend: FRONTEND, backend: BACKEND };
    const later = (work: () => void): void => void this.#later.push(work);
    const parts = { core, channels, store: this.store.local, clock: { now: () => 0 }, log, later };
    const io = backendIo(parts, DOMID, "xvda", paths, () => this.device);
    this.backend = new BlkBackend({ ...options, disk });
    this.device = new XenbusDevice(this.store.local, paths, io, this.backend);
    this.device.start({ frontend: { "virtual-device": "51712" }, backend: { mode: "w" } });
  }

  get abi() {
    return abiOf(this.options.protocol ?? "x86_64-abi")!;
  }

  /** A guest page; its machine address and number. */
  page(): { readonly gfn: number; readonly bytes: Uint8Array; readonly address: number } {
    const gfn = this.#nextGfn++;
    const address = this.core.calls.domainPage(DOMID, gfn);
    return { gfn, address, bytes: this.core.memory.bytes(address, PAGE_BYTES) };
  }

  grant(gfn: number): number {
    const ref = this.#nextRef++;
    this.core.grants.set(`${DOMID}:${ref}`, gfn);
    return ref;
  }

  /** A page with its grant. */
  shared(): { readonly ref: number; readonly bytes: Uint8Array; readonly address: number } {
    const page = this.page();
    return { ...page, ref: this.grant(page.gfn) };
  }

  write(key: string, value: string): void {
    this.store.local.write(`${FRONTEND}/${key}`, value);
  }

  /** A key of the back end's. */
  key(name: string): string | null {
    return this.store.local.read(`${BACKEND}/${name}`);
  }

  /** Makes the rings and says so; the back end has connected when this returns, unless it refused. */
  connect(): void {
    const { protocol = "x86_64-abi", order = null, queues = 1, persistent = false } = this.options;
    this.queues.length = 0;
    if (queues > 1) this.write("multi-queue-num-queues", String(queues));
    if (order !== null) this.write("ring-page-order", String(order));
    for (let queue = 0; queue < queues; queue++) this.#makeRing(queues > 1 ? `queue-${queue}/` : "", order);
    this.write("protocol", protocol);
    this.write("feature-persistent", persistent ? "1" : "0");
    this.write("state", "3");
    this.write("state", "4");
    this.runLater();
  }

  #makeRing(folder: string, order: number | null): void {
    const pages = Array.from({ length: 2 ** (order ?? 0) }, () => {
      // Apart in machine memory, as a guest's pages are.
      this.page();
      return this.shared();
    });
    pages.forEach(({ ref }, index) => {
      this.write(order === null ? `${folder}ring-ref` : `${folder}ring-ref${index}`, String(ref));
    });
    const { memory, calls } = this.core;
    const addresses = pages.map(({ address }) => address);
    const bytes = pages.length * PAGE_BYTES;
    const { slotBytes } = this.abi;
    const ring = new FrontRing({ memory, address: addresses[0]!, bytes, pages: addresses, slotBytes });
    ring.initialise();
    const port = calls.evtchnAllocUnbound(DOMID, 0);
    this.write(`${folder}event-channel`, String(port));
    this.queues.push({ ring, port });
  }

  /** Puts requests into a ring and notifies as the ring's indices ask. */
  send(requests: readonly BlkRequest[], queue = 0): void {
    const { ring, port } = this.queues[queue]!;
    const slots = requests.map((request) => {
      const bytes = new Uint8Array(this.abi.slotBytes);
      writeRequest(this.abi, new DataView(bytes.buffer), request);
      return bytes;
    });
    if (ring.pushRequests(slots)) this.core.guestNotify(DOMID, port);
    this.serve();
  }

  /** What Domain0 does when its doorbell rings. */
  serve(): void {
    this.channels.dispatch();
    this.runLater();
  }

  runLater(): void {
    for (let work = this.#later.shift(); work; work = this.#later.shift()) work();
  }

  /** Lets promises have their turn too. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      await Promise.resolve();
      this.runLater();
    }
  }

  responses(queue = 0): BlkResponse[] {
    const found: BlkResponse[] = [];
    const { ring } = this.queues[queue]!;
    for (let slot = ring.takeResponse(); slot; slot = ring.takeResponse()) {
      found.push(readResponse(new DataView(slot.buffer)));
    }
    return found;
  }

  /** A request for whole pages, direct or, where there are many, indirect. */
  request(operation: number, sector: number, refs: readonly number[], id = 1): BlkRequest {
    const request = new BlkRequest();
    request.operation = operation;
    request.sector = sector;
    request.idLow = id;
    request.segments = refs.length;
    request.refs.set(refs);
    request.last.fill(7, 0, refs.length);
    if (refs.length > 11) {
      request.isIndirect = true;
      const page = this.shared();
      writeSegments(new DataView(page.bytes.buffer, page.address), 0, 0, refs.length, request);
      request.indirectRefs[0] = page.ref;
    }
    return request;
  }

  static flush(id = 1): BlkRequest {
    const request = new BlkRequest();
    request.operation = BlkOp.FLUSH;
    request.idLow = id;
    return request;
  }
}
