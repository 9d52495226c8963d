/** Kinds of events that are delivered through an IDT. [SDM] vol. 3A, 6.12.1.2. */

/** Where an event comes from. */
export namespace EventKind {
  /** INT n: subject to gate privilege and, in virtual-8086 mode, IOPL and redirection */
  export const SOFTWARE: u32 = 0;
  /** INT3 and INTO: subject to gate privilege */
  export const TRAP: u32 = 1;
  /** an exception, INTR, NMI or INT1 */
  export const EXTERNAL: u32 = 2;
}
