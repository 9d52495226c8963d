/** Stand-in for mem/shootdown: counts the shootdowns. */
import { Domain, DomainOff } from "../gen/layout";

export function flushDomainTlb(dom: Domain): void {
  atomic.add<u32>(changetype<usize>(dom) + DomainOff.flushSeq, 1);
}
