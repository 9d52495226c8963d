/** What network cards do for their drivers, in software: checksums, cutting large packets, hashes of flows. */
export { completedChecksum, pseudoSum } from "./checksum.js";
export { ETHERNET_BYTES, EtherType, Headers, IpProtocol, parseHeaders } from "./headers.js";
export { isSegmentable, Segmenter } from "./segment.js";
export { DEFAULT_KEY, TOEPLITZ_KEY_BYTES, Toeplitz } from "./toeplitz.js";
