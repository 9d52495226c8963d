/** Interrupt messages between the I/O APIC and the local APICs: who is meant, and what accepting one does. */
export {
  acceptMessage,
  lapicError,
  lapicInject,
  lapicLatch,
  lapicOf,
  lapicPresent,
  lapicRelease,
  lapicX2apic,
  vectorWord,
} from "./accept";
export { messageMatches, sendMessage, wideDestination, x2apicLogicalId } from "./route";
export { ApicBase, BROADCAST, Dfr, Esr, FIRST_VECTOR, Message, Svr } from "./regs";
