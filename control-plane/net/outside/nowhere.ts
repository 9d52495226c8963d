/** The world outside where there is none: everything is out of reach, and is told so at once. */
import type { Outside, OutsideStream, StreamEvents } from "./outside.js";

const NOTHING: OutsideStream = {
  write: () => true,
  end: () => {},
  abort: () => {},
  pauseReading: () => {},
  resumeReading: () => {},
};

/** `limits` says why, for people. */
export function nowhere(limits: string): Outside {
  const refuse = (): Promise<never> => Promise.reject(new Error(limits));
  return {
    limits,
    openStream: (_address, _port, events) => {
      endSoon(events);
      return NOTHING;
    },
    openDatagrams: () => null,
    resolve: async () => ({ kind: "failed" }),
    reverse: async () => null,
    ping: async () => null,
    listen: refuse,
    listenDatagrams: refuse,
    close: () => {},
  };
}

/** Not within the call: its owner has not got the stream yet. */
function endSoon(events: StreamEvents): void {
  queueMicrotask(() => events.closed("unreachable"));
}
