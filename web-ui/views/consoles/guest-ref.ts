/** The domain of a console panel, as its parts see it: a reboot gives it another number. */
import type { DomId } from "../../../control-plane/api/index.js";

export interface GuestRef {
  readonly domid: DomId;
  readonly name: string;
  readonly alive: boolean;
}
