/** A WebSocket as both ends of a relay use it: the browser's own, or `ws` in Node. */

export interface MessageSocket {
  /** `sent` is called when the message has left our buffers, where the socket can tell. */
  send(message: Uint8Array, sent?: () => void): void;
  close(): void;
}

/** What is told of a socket. Nothing follows `closed`. */
export interface MessageListener {
  message(bytes: Uint8Array): void;
  closed(): void;
}
