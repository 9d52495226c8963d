/** The world outside of a machine in a page: HTTP by fetch, and through a relay when the page names one. */
import { BrowserOutside } from "../net/browser/index.js";
import type { Outside } from "../net/index.js";
import { type OpenSocket, WispClient } from "../net/relay/index.js";

/** `relayUrl` is a WebSocket address. */
export function browserOutside(relayUrl: string | undefined): Outside {
  return new BrowserOutside({
    relay: relayUrl === undefined ? null : new WispClient(openSocket(relayUrl)),
    fetch: (...request) => fetch(...request),
    scheme: location.protocol === "https:" ? "https" : "http",
  });
}

const openSocket =
  (url: string): OpenSocket =>
  (listener) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => listener.opened();
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) listener.message(new Uint8Array(data));
    };
    socket.onclose = () => listener.closed();
    return {
      send: (message) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(message as Uint8Array<ArrayBuffer>);
      },
      close: () => socket.close(),
    };
  };
