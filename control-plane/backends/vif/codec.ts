/**
 * Requests, responses and extra information of netif as they lie in its rings. Offsets are only here. [XEN] io/netif.h
 * (xen_netif_tx_request, xen_netif_rx_request, xen_netif_extra_info, xen_netif_ctrl_request)
 */

export const TX_SLOT_BYTES = 12;
export const TX_RESPONSE_BYTES = 4;
export const RX_SLOT_BYTES = 8;
export const CONTROL_SLOT_BYTES = 16;
export const CONTROL_RESPONSE_BYTES = 12;

/** XEN_NETTXF_*. */
export const TxFlag = { CSUM_BLANK: 1, DATA_VALIDATED: 2, MORE_DATA: 4, EXTRA_INFO: 8 } as const;
/** XEN_NETRXF_*. */
export const RxFlag = { DATA_VALIDATED: 1, CSUM_BLANK: 2, MORE_DATA: 4, EXTRA_INFO: 8 } as const;
/** XEN_NETIF_RSP_*. NULL answers a slot that was no request but extra information. */
export const NetifStatus = { OKAY: 0, ERROR: -1, NULL: 1 } as const;
/** XEN_NETIF_EXTRA_TYPE_*. */
export const ExtraType = { GSO: 1, MCAST_ADD: 2, MCAST_DEL: 3, HASH: 4, XDP: 5 } as const;
const EXTRA_FLAG_MORE = 1;

/** A piece of a frame that the guest sends. */
export class TxRequest {
  ref = 0;
  offset = 0;
  flags = 0;
  id = 0;
  /** Of the first piece the size of the whole frame. */
  size = 0;
}

export function readTxRequest(view: DataView, request: TxRequest): void {
  request.ref = view.getUint32(0, true);
  request.offset = view.getUint16(4, true);
  request.flags = view.getUint16(6, true);
  request.id = view.getUint16(8, true);
  request.size = view.getUint16(10, true);
}

/** The reverse, for front ends in tests. */
export function writeTxRequest(view: DataView, request: TxRequest): void {
  view.setUint32(0, request.ref, true);
  view.setUint16(4, request.offset, true);
  view.setUint16(6, request.flags, true);
  view.setUint16(8, request.id, true);
  view.setUint16(10, request.size, true);
}

export function writeTxResponse(view: DataView, id: number, status: number): void {
  view.setUint16(0, id, true);
  view.setInt16(2, status, true);
}

export function readTxResponse(view: DataView): { readonly id: number; readonly status: number } {
  return { id: view.getUint16(0, true), status: view.getInt16(2, true) };
}

/** A buffer of one page for what the guest receives. */
export class RxRequest {
  id = 0;
  ref = 0;
}

export function readRxRequest(view: DataView, request: RxRequest): void {
  request.id = view.getUint16(0, true);
  request.ref = view.getUint32(4, true);
}

export function writeRxRequest(view: DataView, request: RxRequest): void {
  view.setUint16(0, request.id, true);
  view.setUint16(2, 0, true);
  view.setUint32(4, request.ref, true);
}

/** `status` is the number of bytes, or an error. They begin at the page's start. */
export function writeRxResponse(view: DataView, id: number, flags: number, status: number): void {
  view.setUint16(0, id, true);
  view.setUint16(2, 0, true);
  view.setUint16(4, flags, true);
  view.setInt16(6, status, true);
}

export interface RxResponse {
  readonly id: number;
  readonly offset: number;
  readonly flags: number;
  readonly status: number;
}

export function readRxResponse(view: DataView): RxResponse {
  return {
    id: view.getUint16(0, true),
    offset: view.getUint16(2, true),
    flags: view.getUint16(4, true),
    status: view.getInt16(6, true),
  };
}

/** What stands in a slot instead of a request or response and says more about the frame; an open set of types. */
export class Extra {
  type = 0;
  /** Another one follows. */
  more = false;
  /** Of GSO: payload bytes of each segment, and XEN_NETIF_GSO_TYPE_*. */
  gsoSize = 0;
  gsoType = 0;
  /** Of MCAST_ADD and MCAST_DEL: the group's address as a number of 48 bits. */
  address = 0;
  /** Of HASH: which fields were hashed, and the value. */
  hashType = 0;
  hash = 0;
}

export function readExtra(view: DataView, extra: Extra): void {
  extra.type = view.getUint8(0);
  extra.more = (view.getUint8(1) & EXTRA_FLAG_MORE) !== 0;
  extra.gsoSize = view.getUint16(2, true);
  extra.gsoType = view.getUint8(4);
  extra.address = view.getUint16(2) * 0x1_0000_0000 + view.getUint32(4);
  extra.hashType = view.getUint8(2);
  extra.hash = view.getUint32(4, true);
}

/** Writes what the type of the extra has; both ends do. */
export function writeExtra(view: DataView, extra: Extra): void {
  view.setUint8(0, extra.type);
  view.setUint8(1, extra.more ? EXTRA_FLAG_MORE : 0);
  view.setUint16(2, 0);
  view.setUint32(4, 0);
  switch (extra.type) {
    case ExtraType.GSO:
      view.setUint16(2, extra.gsoSize, true);
      view.setUint8(4, extra.gsoType);
      return;
    case ExtraType.MCAST_ADD:
    case ExtraType.MCAST_DEL:
      view.setUint16(2, Math.floor(extra.address / 0x1_0000_0000));
      view.setUint32(4, extra.address % 0x1_0000_0000);
      return;
    case ExtraType.HASH:
      view.setUint8(2, extra.hashType);
      view.setUint8(3, HashAlgorithm.TOEPLITZ);
      view.setUint32(4, extra.hash, true);
  }
}

/** XEN_NETIF_CTRL_TYPE_*. */
export const ControlType = {
  GET_HASH_FLAGS: 1,
  SET_HASH_FLAGS: 2,
  SET_HASH_KEY: 3,
  GET_HASH_MAPPING_SIZE: 4,
  SET_HASH_MAPPING_SIZE: 5,
  SET_HASH_MAPPING: 6,
  SET_HASH_ALGORITHM: 7,
} as const;
/** XEN_NETIF_CTRL_STATUS_*. */
export const ControlStatus = { SUCCESS: 0, NOT_SUPPORTED: 1, INVALID_PARAMETER: 2 } as const;
/** XEN_NETIF_CTRL_HASH_ALGORITHM_*. */
export const HashAlgorithm = { NONE: 0, TOEPLITZ: 1 } as const;
/** _XEN_NETIF_CTRL_HASH_TYPE_*: numbers of bits in the flags. */
export const HashType = { IPV4: 0, IPV4_TCP: 1, IPV6: 2, IPV6_TCP: 3 } as const;
export const ALL_HASH_FLAGS = 0b1111;

export class ControlRequest {
  id = 0;
  type = 0;
  readonly data = new Uint32Array(3);
}

export function readControlRequest(view: DataView, request: ControlRequest): void {
  request.id = view.getUint16(0, true);
  request.type = view.getUint16(2, true);
  for (let i = 0; i < 3; i++) request.data[i] = view.getUint32(4 + 4 * i, true);
}

export function writeControlRequest(view: DataView, request: ControlRequest): void {
  view.setUint16(0, request.id, true);
  view.setUint16(2, request.type, true);
  request.data.forEach((value, i) => {
    view.setUint32(4 + 4 * i, value, true);
  });
}

export function writeControlResponse(view: DataView, request: ControlRequest, status: number, data: number): void {
  view.setUint16(0, request.id, true);
  view.setUint16(2, request.type, true);
  view.setUint32(4, status, true);
  view.setUint32(8, data, true);
}

export interface ControlResponse {
  readonly id: number;
  readonly type: number;
  readonly status: number;
  readonly data: number;
}

export function readControlResponse(view: DataView): ControlResponse {
  return {
    id: view.getUint16(0, true),
    type: view.getUint16(2, true),
    status: view.getUint32(4, true),
    data: view.getUint32(8, true),
  };
}
