/** A WebSocket as a link uses it: the browser's own here, `ws` in Node in `link-node.ts`. */

export interface LinkSocket {
  /** The bytes are good during the call only. */
  send(message: Uint8Array | string): void;
  /** Bytes that were sent and have not left. */
  readonly bufferedAmount: number;
  /** No messages until `resume`, where the socket can do that. */
  pause(): void;
  resume(): void;
  /** Ends it; the other side is told why. `closed` follows. */
  close(code: number, reason: string): void;
}

/** What is told of a socket. Nothing follows `closed`, which also comes when it never opened. */
export interface LinkSocketEvents {
  opened(): void;
  message(data: Uint8Array | string): void;
  closed(reason: string): void;
}

/** Begins to open a socket; may throw when the address is none. */
export type OpenLinkSocket = (url: string, events: LinkSocketEvents) => LinkSocket;

/** When there is no better reason. */
export const UNREACHABLE = "it cannot be reached";

/** A WebSocket of the browser. It cannot be paused: what comes meanwhile is kept as far as there is room. */
export const openWebSocket: OpenLinkSocket = (url, events) => {
  const socket = new WebSocket(url);
  // Why it does not open, a page is not told.
  let reasonIfNone = `${UNREACHABLE}, or it does not take this page`;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    reasonIfNone = "the connection broke";
    events.opened();
  };
  socket.onmessage = ({ data }) =>
    events.message(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
  socket.onclose = ({ reason }) => events.closed(reason === "" ? reasonIfNone : reason);
  return {
    send: (message) => {
      // Copied before it returns.
      if (socket.readyState === socket.OPEN) socket.send(message as Uint8Array<ArrayBuffer> | string);
    },
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    pause: () => {},
    resume: () => {},
    close: (code, reason) => socket.close(code, reason),
  };
};
