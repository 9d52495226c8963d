/** Grant tables: what the hypervisor keeps of grants that are in use. [XEN] grant_table.h */
import { constants, struct, u16, u32, u64 } from "../layout.js";

export const GRANTS_PER_PAGE_V1 = 512;
export const GRANTS_PER_PAGE_V2 = 256;
export const STATUS_PER_PAGE = 2048;
export const MAPTRACK_PER_PAGE = 128;

export const GrantActive = struct("GrantActive", "Uses of one grant reference.", {
  readers: u32("Read-only uses"),
  writers: u32("Writable uses"),
  mfn: u32("Frame behind it while in use"),
  domid: u16("Who uses it"),
  transitive: u16("1 when reached through a transitive grant"),
});

export const Maptrack = struct("Maptrack", "One mapping that a domain has made of another's grant.", {
  ref: u32("The grant reference; next free handle while free"),
  domid: u16("Whose grant"),
  flags: u16("GNTMAP flags, 0 while free"),
  gfn: u32("Where it is mapped in the mapper's p2m"),
  mfn: u32("The frame"),
  address: u64("host_addr as given"),
  pad: u64("To 32 bytes"),
});

export const GrantTableOp = constants("GrantTableOp", "Commands of grant_table_op.", {
  MAP: 0,
  UNMAP: 1,
  SETUP_TABLE: 2,
  DUMP_TABLE: 3,
  TRANSFER: 4,
  COPY: 5,
  QUERY_SIZE: 6,
  UNMAP_AND_REPLACE: 7,
  SET_VERSION: 8,
  GET_STATUS_FRAMES: 9,
  GET_VERSION: 10,
  SWAP: 11,
  CACHE_FLUSH: 12,
});

export const GrantFlag = constants("GrantFlag", "Flags of a grant entry.", {
  TYPE_MASK: 3,
  INVALID: 0,
  PERMIT: 1,
  TRANSFER: 2,
  TRANSITIVE: 3,
  READONLY: 4,
  READING: 8,
  WRITING: 16,
  SUB_PAGE: 256,
  TRANSFER_COMMITTED: 4,
  TRANSFER_COMPLETED: 8,
});

export const GrantMap = constants("GrantMap", "GNTMAP flags.", {
  DEVICE: 1,
  HOST: 2,
  READONLY: 4,
  APPLICATION: 8,
  CONTAINS_PTE: 16,
});

export const GrantStatus = constants(
  "GrantStatus",
  "GNTST values.",
  {
    OKAY: 0,
    GENERAL_ERROR: -1,
    BAD_DOMAIN: -2,
    BAD_GNTREF: -3,
    BAD_HANDLE: -4,
    BAD_VIRT_ADDR: -5,
    BAD_DEV_ADDR: -6,
    NO_DEVICE_SPACE: -7,
    PERMISSION_DENIED: -8,
    BAD_PAGE: -9,
    BAD_COPY_ARG: -10,
    ADDRESS_TOO_BIG: -11,
    EAGAIN: -12,
    NO_SPACE: -13,
  },
  "i32",
);
