/**
 * Event channels as Domain0 holds them: each of its ports has a handler, and one call takes what is pending. A handler
 * says "look again", never what happened: by the time it runs things may have moved on. [XEN] event_channel.h
 */
import type { CoreLink } from "../core-link/index.js";
import { err, ok, type Result } from "../util/index.js";

export interface EventChannel {
  /** The guest's end. */
  readonly guestPort: number;
  /** Domain0's end. */
  readonly localPort: number;
  notify(): void;
  close(): void;
}

export class EventChannels {
  readonly #handlers = new Map<number, () => void>();

  constructor(private readonly core: CoreLink) {}

  /** Makes a channel whose guest end is a fresh port of the domain, as a domain builder does. */
  open(domid: number, handler: () => void): Result<EventChannel, "internal"> {
    const guestPort = this.core.calls.evtchnAllocUnbound(domid, 0);
    if (guestPort < 0) return err("internal", `no event channel for domain ${domid} (${guestPort})`);
    return this.bind(domid, guestPort, handler);
  }

  /** Binds to a port that the guest has offered, as a back end does. */
  bind(domid: number, guestPort: number, handler: () => void): Result<EventChannel, "internal"> {
    const { calls } = this.core;
    const localPort = calls.evtchnBind(domid, guestPort);
    if (localPort < 0)
      return err("internal", `event channel ${guestPort} of domain ${domid} cannot be bound (${localPort})`);
    this.#handlers.set(localPort, handler);
    return ok({
      guestPort,
      localPort,
      notify: () => {
        calls.evtchnNotify(localPort);
      },
      close: () => {
        if (this.#handlers.delete(localPort)) calls.evtchnClose(0, localPort);
      },
    });
  }

  /** Calls the handlers of all pending ports. Returns false when there was none. */
  dispatch(): boolean {
    let any = false;
    for (let port = this.core.calls.evtchnTake(); port >= 0; port = this.core.calls.evtchnTake()) {
      any = true;
      this.#handlers.get(port)?.();
    }
    return any;
  }
}
