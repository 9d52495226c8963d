/**
 * Domain0 itself: makes the machine, puts the toolstack on top, and serves the API over the port it was given. The same
 * in Node and in a browser; the entries beside this file bring what differs.
 */
import { TraceCode } from "../../wasm-core/abi/structs/machine.js";
import type { WorkerReport } from "../../wasm-core/worker/index.js";
import { Host } from "../api/host.js";
import type { Domain0Start, MachineOptions } from "../api/machine-options.js";
import { serveHost } from "../api/serve.js";
import { RealCore } from "../core-link/real.js";
import type { SpawnCoreWorker } from "../core-link/workers.js";
import { type LinkHost, Toolstack, type ToolstackParts } from "../domain/index.js";
import type { Outside } from "../net/index.js";
import { type ImageFinder, ImageLibrary, type ImageSources } from "../storage/index.js";
import { type Clock, LogRing, type Random, SeededRandom } from "../util/index.js";

/** What only the host can do. */
export interface Domain0Host {
  readonly spawn: SpawnCoreWorker;
  /** Runs work after the event loop had a turn, in which messages and timers are served; sooner than a timer would. */
  readonly soon: (work: () => void) => void;
  readCore(url: string): Promise<Uint8Array<ArrayBuffer>>;
  readonly coreSink: ToolstackParts["coreSink"];
  /** Where images are. */
  readonly images: (sources: ImageSources) => ImageFinder;
  /** What guests may reach of the world. */
  readonly outside: (options: MachineOptions) => Outside;
  /** How its networks get to networks elsewhere. */
  readonly links: LinkHost;
}

const FRAMES_PER_MIB = 256;
/** More than fits: the core takes what a 32-bit memory holds. */
const ALL_FRAMES = 1 << 20;

export async function startDomain0(start: Domain0Start, host: Domain0Host): Promise<void> {
  const { options } = start;
  const { singleThread = false, deterministic = false, seed = 1 } = options;
  const pcpus = singleThread ? 1 : (options.pcpus ?? 1);
  const time: { clock: Clock } = { clock: { now: () => 0 } };
  const log = new LogRing({ now: () => time.clock.now() });
  const core = await RealCore.start({
    wasm: await host.readCore(start.coreUrl),
    singleThread,
    pcpus,
    maxFrames: options.memoryMiB === undefined ? ALL_FRAMES : options.memoryMiB * FRAMES_PER_MIB,
    deterministic,
    seed,
    jit: options.jit ?? true,
    spawn: host.spawn,
    soon: host.soon,
    onReport: (report) => logReport(log, report),
    onWorkerFailure: (message) => log.write(`worker failed: ${message}`),
  });
  time.clock = { now: () => core.calls.machineNow() };
  const { clock } = time;
  const random: Random = deterministic ? new SeededRandom(seed) : { u32: hostRandom };
  // Names of images must not come twice, whatever is simulated: they are the host's.
  const images = new ImageLibrary(host.images({ random: { u32: hostRandom }, now: () => Date.now() }));
  const openDisk: NonNullable<ToolstackParts["openDisk"]> = (target, options) => images.openDisk(target, options);
  const network = {
    outside: host.outside(options),
    hostLoopback: options.hostLoopback ?? true,
    epochMs: deterministic ? 0 : Date.now() - clock.now() / 1e6,
    links: host.links,
  };
  const parts = { core, clock, random, log, coreSink: host.coreSink, later: host.soon, openDisk, network };
  const toolstack = new Toolstack(parts);
  core.onDoorbell(() => toolstack.service());
  const regions = core.regions === null ? {} : { regions: core.regions };
  const close = () => core.close();
  serveHost(new Host({ core, toolstack, log, clock, pcpus, images, ...regions, close }), start.port);
}

function hostRandom(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

const TRACE_NAMES = new Map(Object.entries(TraceCode.values).map(([name, value]) => [Number(value), name]));

function logReport(log: LogRing, report: WorkerReport): void {
  if (report.kind === "fault") log.write(`pCPU ${report.pcpu}: the core trapped: ${report.message}`);
  if (report.kind === "compiler") log.writeLimited("compiler", report.message);
  if (report.kind !== "trace") return;
  const name = TRACE_NAMES.get(report.code) ?? `trace ${report.code}`;
  log.writeLimited("core", `${name.toLowerCase().replaceAll("_", " ")} ${report.a} ${report.b}`);
}
