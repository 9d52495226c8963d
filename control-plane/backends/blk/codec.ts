/**
 * Requests and responses of blkif as they lie in the ring, in the layouts of 64-bit and of 32-bit guests, which differ in
 * the alignment of 64-bit fields. Offsets are only here. [XEN] io/blkif.h (blkif_request, blkif_response)
 */

/** Of BLKIF_OP_*; an open set. */
export const BlkOp = { READ: 0, WRITE: 1, WRITE_BARRIER: 2, FLUSH: 3, DISCARD: 5, INDIRECT: 6 } as const;

/** BLKIF_RSP_*. */
export const BlkStatus = { OKAY: 0, ERROR: -1, UNSUPPORTED: -2 } as const;

/** What fits into a slot, and in one page of indirect segments. */
export const DIRECT_SEGMENTS = 11;
export const SEGMENTS_PER_PAGE = 512;
export const INDIRECT_PAGES = 8;
/** What we take in one request: 1 MiB. Fits into one page of segments. */
export const MOST_SEGMENTS = 256;

const SEGMENT_BYTES = 8;
const SECURE_FLAG = 1;

/** Where fields lie for one kind of guest. */
export interface Abi {
  /** What the front end writes into its key `protocol`. */
  readonly name: string;
  readonly slotBytes: number;
  readonly idOffset: number;
  readonly sectorOffset: number;
  readonly segmentsOffset: number;
  readonly discardCountOffset: number;
  readonly indirectRefsOffset: number;
}

const X86_64: Abi = {
  name: "x86_64-abi",
  slotBytes: 112,
  idOffset: 8,
  sectorOffset: 16,
  segmentsOffset: 24,
  discardCountOffset: 24,
  indirectRefsOffset: 28,
};

const X86_32: Abi = {
  name: "x86_32-abi",
  slotBytes: 108,
  idOffset: 4,
  sectorOffset: 12,
  segmentsOffset: 20,
  discardCountOffset: 20,
  indirectRefsOffset: 24,
};

/** The layout that a front end names; one that names none has ours. */
export function abiOf(protocol: string | null): Abi | undefined {
  if (protocol === null) return X86_64;
  return [X86_64, X86_32].find(({ name }) => name === protocol);
}

/** A request, filled anew each time it is used. */
export class BlkRequest {
  /** READ or WRITE for an indirect request too. */
  operation = 0;
  isIndirect = false;
  idLow = 0;
  idHigh = 0;
  /** In units of 512 bytes. */
  sector = 0;
  segments = 0;
  /** Grants of data pages. */
  readonly refs = new Uint32Array(MOST_SEGMENTS);
  /** First and last sector within each page. */
  readonly first = new Uint8Array(MOST_SEGMENTS);
  readonly last = new Uint8Array(MOST_SEGMENTS);
  /** Of a discard. */
  discardSectors = 0;
  isSecure = false;
  /** Grants of the pages that hold an indirect request's segments. */
  readonly indirectRefs = new Uint32Array(INDIRECT_PAGES);

  /** How many pages of segments there are. */
  get indirectPages(): number {
    return this.isIndirect ? Math.ceil(this.segments / SEGMENTS_PER_PAGE) : 0;
  }
}

const u64 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** Reads a slot; what is wrong with it, or null. Operation and id are there in any case, for the answer. */
export function readRequest(abi: Abi, slot: DataView, request: BlkRequest): string | null {
  const operation = slot.getUint8(0);
  request.operation = operation;
  request.isIndirect = operation === BlkOp.INDIRECT;
  request.idLow = slot.getUint32(abi.idOffset, true);
  request.idHigh = slot.getUint32(abi.idOffset + 4, true);
  request.sector = u64(slot, abi.sectorOffset);
  request.segments = 0;
  if (operation === BlkOp.DISCARD) {
    request.isSecure = (slot.getUint8(1) & SECURE_FLAG) !== 0;
    request.discardSectors = u64(slot, abi.discardCountOffset);
    return null;
  }
  if (request.isIndirect) return readIndirect(abi, slot, request);
  const segments = slot.getUint8(1);
  if (segments > DIRECT_SEGMENTS) return `${segments} segments in a request that holds ${DIRECT_SEGMENTS}`;
  request.segments = segments;
  readSegments(slot, abi.segmentsOffset, 0, segments, request);
  return null;
}

function readIndirect(abi: Abi, slot: DataView, request: BlkRequest): string | null {
  const operation = slot.getUint8(1);
  const segments = slot.getUint16(2, true);
  if (operation !== BlkOp.READ && operation !== BlkOp.WRITE) return `indirect operation ${operation}`;
  if (segments > MOST_SEGMENTS) return `${segments} indirect segments, ${MOST_SEGMENTS} are allowed`;
  request.operation = operation;
  request.segments = segments;
  for (let i = 0; i < INDIRECT_PAGES; i++) {
    request.indirectRefs[i] = slot.getUint32(abi.indirectRefsOffset + i * 4, true);
  }
  return null;
}

/** Reads `count` segments from `at` into the request, from number `from` on: of a slot, or of a page of its own. */
export function readSegments(view: DataView, at: number, from: number, count: number, request: BlkRequest): void {
  for (let i = 0; i < count; i++) {
    const place = at + i * SEGMENT_BYTES;
    request.refs[from + i] = view.getUint32(place, true);
    request.first[from + i] = view.getUint8(place + 4);
    request.last[from + i] = view.getUint8(place + 5);
  }
}

/** The reverse of readSegments, for front ends in tests. */
export function writeSegments(view: DataView, at: number, from: number, count: number, request: BlkRequest): void {
  for (let i = 0; i < count; i++) {
    const place = at + i * SEGMENT_BYTES;
    view.setUint32(place, request.refs[from + i]!, true);
    view.setUint8(place + 4, request.first[from + i]!);
    view.setUint8(place + 5, request.last[from + i]!);
  }
}

/** The reverse of readRequest, for front ends in tests. */
export function writeRequest(abi: Abi, slot: DataView, request: BlkRequest): void {
  slot.setUint8(0, request.isIndirect ? BlkOp.INDIRECT : request.operation);
  slot.setUint32(abi.idOffset, request.idLow, true);
  slot.setUint32(abi.idOffset + 4, request.idHigh, true);
  setU64(slot, abi.sectorOffset, request.sector);
  if (request.operation === BlkOp.DISCARD) {
    slot.setUint8(1, request.isSecure ? SECURE_FLAG : 0);
    setU64(slot, abi.discardCountOffset, request.discardSectors);
  } else if (request.isIndirect) {
    slot.setUint8(1, request.operation);
    slot.setUint16(2, request.segments, true);
    request.indirectRefs.forEach((ref, i) => {
      slot.setUint32(abi.indirectRefsOffset + i * 4, ref, true);
    });
  } else {
    slot.setUint8(1, request.segments);
    writeSegments(slot, abi.segmentsOffset, 0, Math.min(request.segments, DIRECT_SEGMENTS), request);
  }
}

/** A response has the same place for its fields in both layouts; the shorter one ends sooner. */
export const RESPONSE_BYTES = 12;

export function writeResponse(view: DataView, request: BlkRequest, status: number): void {
  view.setUint32(0, request.idLow, true);
  view.setUint32(4, request.idHigh, true);
  // Of an indirect request what it did: front ends compare.
  view.setUint8(8, request.operation);
  view.setUint8(9, 0);
  view.setInt16(10, status, true);
}

export interface BlkResponse {
  readonly id: number;
  readonly operation: number;
  readonly status: number;
}

export function readResponse(view: DataView): BlkResponse {
  return { id: u64(view, 0), operation: view.getUint8(8), status: view.getInt16(10, true) };
}
