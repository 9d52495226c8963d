/** HYPERVISOR_xen_version(cmd, buffer). [XEN] version.h */
import { DomainOff, Errno, Hypercall, Vcpu, XEN_FEATURES, XEN_VERSION, XenVcpu } from "../gen/layout";
import { domainOfVcpu } from "../mem/domains";
import { copyToGuest } from "../mmu/access";
import { arg, getStruct, unknownOp } from "./guest";

const VERSION = 0,
  EXTRAVERSION = 1,
  COMPILE_INFO = 2,
  CAPABILITIES = 3,
  CHANGESET = 4,
  PLATFORM_PARAMETERS = 5;
const GET_FEATURES = 6,
  PAGESIZE = 7,
  GUEST_HANDLE = 8,
  COMMANDLINE = 9,
  BUILD_ID = 10;

const EXTRA = memory.data<u8>([0x2e, 0x30, 0]);
/** "xenolith" */
const NAME = memory.data<u8>([0x78, 0x65, 0x6e, 0x6f, 0x6c, 0x69, 0x74, 0x68, 0]);
/** "unavailable" */
const UNAVAILABLE = memory.data<u8>([0x75, 0x6e, 0x61, 0x76, 0x61, 0x69, 0x6c, 0x61, 0x62, 0x6c, 0x65, 0]);
/** "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 " */
const CAPS = memory.data<u8>([
  0x68, 0x76, 0x6d, 0x2d, 0x33, 0x2e, 0x30, 0x2d, 0x78, 0x38, 0x36, 0x5f, 0x33, 0x32, 0x20, 0x68, 0x76, 0x6d, 0x2d,
  0x33, 0x2e, 0x30, 0x2d, 0x78, 0x38, 0x36, 0x5f, 0x33, 0x32, 0x70, 0x20, 0x68, 0x76, 0x6d, 0x2d, 0x33, 0x2e, 0x30,
  0x2d, 0x78, 0x38, 0x36, 0x5f, 0x36, 0x34, 0x20, 0,
]);
const CAPS_BYTES: usize = 47;

export function xenVersion(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  const at = <usize>x.scratch;
  memory.fill(at, 0, 1024);
  switch (cmd) {
    case VERSION:
      return <i64>XEN_VERSION;
    case EXTRAVERSION:
      memory.copy(at, EXTRA, 3);
      return give(cpu, x, 16);
    case COMPILE_INFO:
      return compileInfo(cpu, x, at);
    case CAPABILITIES:
      memory.copy(at, CAPS, CAPS_BYTES);
      return give(cpu, x, 1024);
    case CHANGESET:
      memory.copy(at, UNAVAILABLE, 12);
      return give(cpu, x, 64);
    case PLATFORM_PARAMETERS:
      return give(cpu, x, x.wide ? 8 : 4);
    case GET_FEATURES:
      return features(cpu, x);
    case PAGESIZE:
      return 4096;
    case GUEST_HANDLE:
      memory.copy(at, changetype<usize>(domainOfVcpu(cpu)) + DomainOff.handle, 16);
      return give(cpu, x, 16);
    case COMMANDLINE:
      return give(cpu, x, 1024);
    case BUILD_ID:
      return -Errno.ENODATA;
    default:
      unknownOp(cpu, Hypercall.XEN_VERSION, cmd);
      return -Errno.ENOSYS;
  }
}

function give(cpu: Vcpu, x: XenVcpu, bytes: u32): i64 {
  return copyToGuest(cpu, arg(x, 1), <usize>x.scratch, bytes) ? 0 : -Errno.EFAULT;
}

/** compiler 64, by 16, domain 32, date 32 bytes. */
function compileInfo(cpu: Vcpu, x: XenVcpu, at: usize): i64 {
  memory.copy(at, NAME, 9);
  memory.copy(at + 64, NAME, 9);
  memory.copy(at + 80, NAME, 9);
  memory.copy(at + 112, UNAVAILABLE, 12);
  return give(cpu, x, 144);
}

/** {submap index u32, submap u32}. */
function features(cpu: Vcpu, x: XenVcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 1), 8);
  if (op == 0) return -Errno.EFAULT;
  store<u32>(op, load<u32>(op) == 0 ? <u32>XEN_FEATURES : 0, 4);
  return give(cpu, x, 8);
}
