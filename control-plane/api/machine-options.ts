/** What one asks of a machine when starting it; the same in Node and in a browser. */
export interface MachineOptions {
  /** Physical CPUs: workers that run guest code. Default 1; a machine of a single thread has one. */
  readonly pcpus?: number;
  /**
   * Domain0 and one pCPU share a thread, and nothing needs SharedArrayBuffer. Default false in Node; in a browser true
   * exactly where the page is not cross-origin isolated.
   */
  readonly singleThread?: boolean;
  /** Memory for all guests together, MiB. Default: all that a WebAssembly memory holds, taken only as it is used. */
  readonly memoryMiB?: number;
  /** Time is a count of instructions and randomness comes from `seed`: same inputs, same run. One pCPU only. */
  readonly deterministic?: boolean;
  /** Compile hot guest code to WebAssembly. Default true; a deterministic machine does without. */
  readonly jit?: boolean;
  /** A whole number up to 2^53. */
  readonly seed?: number;
  /** Guests on the user-mode network reach servers of the host's loopback at its gateway's address. Default true. */
  readonly hostLoopback?: boolean;
  /** WebSocket address of a relay (Wisp), by which guests of a page reach what a page cannot; browsers only. */
  readonly relayUrl?: string;
}

/** What is sent to Domain0's worker to start it. */
export interface Domain0Start {
  readonly port: MessagePort;
  readonly options: MachineOptions;
  /** Where the core is, of the build that `singleThread` asks for: a URL. */
  readonly coreUrl: string;
  /** Directory for automatic core dumps (on_crash = coredump-…); Node only. */
  readonly coreDumpDirectory?: string;
  /** Folders of images; Node only. */
  readonly imageFolders?: readonly string[];
}
