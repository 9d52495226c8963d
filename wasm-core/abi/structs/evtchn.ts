/** Event channels: the hypervisor's record of a port. [XEN] event_channel.h */
import { constants, struct, u8, u16, u32 } from "../layout.js";

/** Evtchn structs to a page. */
export const EVTCHN_PER_PAGE = 128;
export const EVTCHN_2L_PORTS = 4096;
/** Of a 32-bit guest, whose selector has 32 bits of 32 ports. */
export const EVTCHN_2L_PORTS_32 = 1024;

export const Evtchn = struct("Evtchn", "One port of a domain.", {
  state: u8("An EvtchnState"),
  priority: u8("FIFO priority, 0 highest"),
  lastPriority: u8("FIFO: queue in which it was linked last"),
  pending: u8("FIFO: raised before its event word existed"),
  notifyVcpu: u16("vCPU that is told"),
  lastVcpu: u16("FIFO: vCPU in whose queue it was linked last"),
  remoteDomid: u16("The other end's domain"),
  virq: u16("VIRQ bound to it"),
  remotePort: u32("The other end's port"),
  pad: u32("To 32 bytes", 4),
});

export const EvtchnState = constants("EvtchnState", "Values of Evtchn.state, as EVTCHNOP_status tells them.", {
  FREE: 0,
  UNBOUND: 1,
  INTERDOMAIN: 2,
  PIRQ: 3,
  VIRQ: 4,
  IPI: 5,
  /** kept from allocation: port 0 */
  RESERVED: 6,
});

export const FifoWord = constants("FifoWord", "Bits of a FIFO event word.", {
  PENDING: 0x80000000,
  MASKED: 0x40000000,
  LINKED: 0x20000000,
  BUSY: 0x10000000,
  LINK_MASK: 0x1ffff,
});
